#include "ops/target_worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "apply/existing.hpp"
#include "apply/target_schema.hpp"
#include "link/postgres/identity.hpp"
#include "model/failpoint.hpp"
#include "ops/migration_lock.hpp"
#include "ops/session_errors.hpp"

namespace lockstep::ops {

using apply::Phase;
using wire::Kind;
using wire::Message;

namespace {

wire::CopyRequest request_for(const apply::LedgerTable& table, const apply::LedgerPart& part) {
  wire::CopyRequest request{table.plan.id, std::nullopt, part.until, table.rows};
  if (!part.cursor.empty())
    request.after = wire::decode_key(part.cursor);
  else if (part.after)
    request.after = {Value(ValueView{.kind = ValueClass::integer, .integer = *part.after})};
  return request;
}

}  // namespace

TargetWorker::TargetWorker(wire::Context& context, TargetOptions options,
                           postgres::Connection connection, Board& board)
    : options_(std::move(options)),
      board_(board),
      dealer_(context, options_.connect.endpoint, options_.connect.keys),
      connection_(std::move(connection)),
      key_builder_(options_.migration, options_.schema, board),
      verifier_({options_.dsn, options_.migration, options_.schema}, options_.continuous, recent_,
                board),
      next_session_(static_cast<std::uint64_t>(wall_now_us())),
      own_backend_(connection_->backend_pid()) {}

void TargetWorker::run(const std::stop_token& stop) {
  const std::stop_callback ring(stop, [this] { stop_bell_.ring(); });
  Backoff backoff(Milliseconds{50}, Milliseconds{5'000}, next_session_);
  while (!stop.stop_requested()) {
    const Deadline worked_well(Milliseconds{10'000});
    try {
      work(stop);
      break;
    } catch (const Error& failure) {
      verifier_.mail().session_lost();
      applier_.reset();
      close_lanes();
      if (stop.stop_requested()) break;
      const Error error = tried_enough(asked_for_text(explained(failure)));
      if (error.retry() == Retry::never) {
        board_.fail(error);
        break;
      }
      if (is_not_understood(error)) board_.refused(error);
      if (error.code() == "LS-S306") backoff.reset();  // capture follows its schema by itself
      board_.await(error.code(), error.what());
      board_.reconnected();
    }
    if (worked_well.passed()) backoff.reset();
    const Deadline deadline(backoff.next());
    while (!stop.stop_requested() && !deadline.passed()) {
      board_.target_reports();
      std::this_thread::sleep_for(std::min(Milliseconds{20}, deadline.left()));
    }
  }
  verifier_.mail().session_lost();
  if (!session_) return;
  const Message bye{Kind::bye, session_->id, session_->sent++, {}};
  static_cast<void>(dealer_.send(encode(bye)));  // a courtesy: nobody may be there any more
}

void TargetWorker::cancel() {
  const std::lock_guard lock(connection_mutex_);
  if (connection_) connection_->cancel();
  if (lanes_) lanes_->cancel();
  if (hook_) hook_->cancel();
  key_builder_.cancel();
}

void TargetWorker::work(const std::stop_token& stop) {
  greeted_ = false;
  connect();
  greet(stop);
  if (stop.stop_requested()) return;
  greeted_ = true;
  check_tables();
  if (ledger_.phase == Phase::snapshot) copy(stop);
  if (stop.stop_requested()) return;
  follow(stop);
}

// A lost session does not always mean a lost connection; but only a live one still holds the lock.
void TargetWorker::connect() {
  if (connection_ && connection_->alive()) {
    connection_->abort();
  } else {
    {
      const std::lock_guard lock(connection_mutex_);
      connection_.reset();
    }
    postgres::Connection fresh = postgres::Connection::open(options_.dsn, "apply");
    take_migration_lock(fresh, options_.schema, own_backend_);
    own_backend_ = fresh.backend_pid();
    const std::lock_guard lock(connection_mutex_);
    connection_.emplace(std::move(fresh));
    verifier_.reconnected();
    LOCKSTEP_FAILPOINT("apply.reconnect");
  }
  end_left_behind(*connection_);
  // A lock that others hold for long is told, not waited for in silence.
  connection_->exec(fmt::format("SET lock_timeout = {}", kLockPatience.count()));
  // FOR UPDATE: a commit whose answer was lost may still be on its way in the old backend.
  const auto ledger =
      apply::read_ledger(*connection_, options_.migration, apply::RowLock::for_update);
  if (!ledger || ledger->phase == Phase::installing)
    throw Error(
        {.code = "LS-R709",
         .exit = ExitCode::stopped,
         .what =
             fmt::format("the ledger of migration {} is gone from the target", options_.migration),
         .why = "schema lockstep was dropped, or the target is another database now",
         .data = "nothing more is applied: without the ledger nobody knows what the tables hold",
         .todo = "lockstep remove SOURCE, drop the copied tables, then run again"});
  ledger_ = *ledger;
  silent_ = apply::may_be_silent(*connection_);
  tables_ = apply::read_tables(*connection_, options_.migration);
  put_foreign_keys_aside();
  check_dual_choice();
  begin_guard();
  show_tables();
  board_.phase(std::string(to_string(ledger_.phase)), ledger_.consistent);
  board_.resumed(*ledger_.position);
}

void TargetWorker::copy(const std::stop_token& stop) {
  std::vector<PartToCopy> parts;
  std::vector<wire::CopyRequest> requests;
  for (const apply::LedgerTable& table : tables_) {
    for (const apply::LedgerPart& part : table.parts) {
      if (part.copied) continue;
      parts.push_back({&table, &part});
      requests.push_back(request_for(table, part));
    }
  }
  if (!parts.empty()) {
    open_lanes(std::move(parts));
    send(Kind::copy, wire::encode_copy(requests));
    load(*lanes_, requests.size(), stop);
    close_lanes();
    if (stop.stop_requested()) return;
  }
  LOCKSTEP_FAILPOINT("snap.last_chunk");
  tables_ = apply::read_tables(*connection_, options_.migration);
  apply::move_phase(*connection_, options_.migration, Phase::snapshot, Phase::catchup, false);
  ledger_.phase = Phase::catchup;
  board_.phase("catchup", false);
}

void TargetWorker::open_lanes(std::vector<PartToCopy> parts) {
  constexpr std::size_t kLanes = 2;  // as many parts as capture reads at once
  auto lanes =
      std::make_unique<CopyLanes>(CopyTarget{options_.dsn, options_.migration, options_.schema},
                                  std::move(parts), kLanes, board_);
  const std::lock_guard lock(connection_mutex_);
  lanes_ = std::move(lanes);
}

void TargetWorker::close_lanes() {
  const std::lock_guard lock(connection_mutex_);
  lanes_.reset();
}

void TargetWorker::load(CopyLanes& lanes, std::size_t parts, const std::stop_token& stop) {
  std::size_t ended = 0;
  while (ended < parts) {
    const auto message = receive(stop, Milliseconds{1'000});
    if (stop.stop_requested()) return;
    static_cast<void>(lanes.finished(Milliseconds{0}));  // throws what a lane met
    if (!message) continue;
    if (message->kind == Kind::chunk_end) progressed();
    if (message->kind == Kind::chunk_rows) {
      const wire::ChunkRows rows = wire::decode_chunk_rows(message->body);
      lanes.rows(rows.part, std::string(rows.fragment));
    } else if (message->kind == Kind::chunk_end) {
      const wire::ChunkEnd end = wire::decode_chunk_end(message->body);
      lanes.chunk_end(end);
      if (end.done) ++ended;
    }
  }
  while (!stop.stop_requested() && !lanes.finished(Milliseconds{100})) {
  }
}

void TargetWorker::follow(const std::stop_token& stop) {
  if (ledger_.phase == Phase::indexing) build_keys(stop);
  if (stop.stop_requested()) return;
  const bool keyed = ledger_.phase == Phase::streaming;
  if (keyed) make_foreign_keys();
  if (keyed) run_after_snapshot();
  if (keyed) settle_dual_writes();
  recent_.resume(*ledger_.position);
  make_applier();
  // Before `follow`: behind it, capture would take this for the ack of its first batch.
  if (keyed) acknowledge();
  send(Kind::follow, wire::encode_position(*ledger_.position));
  while (!stop.stop_requested()) {
    const auto message = receive(stop, Milliseconds{250});
    if (message) dispatch(*message);
    if (!message) check_tables_if_due();
    if (ledger_.phase == Phase::streaming && connection_->idle()) serve_verifier();
    if (ledger_.phase == Phase::indexing) become_consistent(stop);
  }
}

void TargetWorker::dispatch(const Message& message) {
  switch (message.kind) {
    case Kind::batch_begin:
      applier_->begin(wire::decode_batch_begin(message.body));
      recent_.begin(wire::decode_batch_begin(message.body).from);
      check_tables_if_due();
      return;
    case Kind::batch_rows:
      applier_->entries(message.body);
      return;
    case Kind::batch_slice:
      applier_->next_slice();
      return;
    case Kind::batch_reset:
      applier_->reset(wire::decode_batch_reset(message.body));
      recent_.reset(wire::decode_batch_reset(message.body).table);
      return;
    case Kind::batch_end:
      finish_batch(message);
      return;
    case Kind::idle:
      note_idle(wire::decode_position(message.body));
      return;
    case Kind::hello:
    case Kind::welcome:
    case Kind::credit:
    case Kind::copy:
    case Kind::follow:
    case Kind::ack:
    case Kind::chunk_rows:
    case Kind::chunk_end:
    case Kind::refusal:
    case Kind::bye:
    case Kind::barrier_wanted:
    case Kind::narrow:
      return;
    case Kind::barrier:
    case Kind::digests:
    case Kind::block_rows:
    case Kind::shown_rows:
    case Kind::barrier_failed:
    case Kind::query_answers:
      return handle_verification(message);
  }
}

void TargetWorker::finish_batch(const Message& message) {
  const apply::Applied applied = applier_->end(wire::decode_batch_end(message.body));
  recent_.committed(applied.position);
  conflicts_met_ = 0;
  if (applied.conflicts > 0) show_dual_writes();
  show_quarantine(applier_->quarantined());
  progressed();
  text_wishes_.clear();  // not where a chunk came: it may hold the very value
  if (std::exchange(plans_change_, false)) {
    tables_ = apply::read_tables(*connection_, options_.migration);
    show_tables();
    make_foreign_keys();
    keep_guard();
  }
  for (const apply::Told& told : applied.told)
    board_.schema_note({told.code, told.table, told.what});
  board_.captured(applied.position);
  ledger_.position = applied.position;
  // synchronous_commit is at least `on` in our sessions: a commit that answered is flushed, hence
  // durable. The first batch is acked once the keys are built: until then capture must not begin
  // another.
  if (ledger_.phase == Phase::catchup)
    ledger_.phase = Phase::indexing;
  else
    acknowledge();
  board_.applied(applied.position, static_cast<std::int64_t>(applied.changes),
                 applier_->source_wall_us(), applied.fell_back);
}

void TargetWorker::note_idle(const Position& position) {
  progressed();
  if (ledger_.phase == Phase::catchup) {
    // Nothing changed since P0: the copy is the state at P0.
    apply::move_phase(*connection_, options_.migration, Phase::catchup, Phase::indexing, true, [&] {
      apply::fill_existing(*connection_, options_.schema, apply::plans_of(tables_), silent_);
      check_tables();  // no batch comes that would have looked
    });
    ledger_.phase = Phase::indexing;
    return;
  }
  if (ledger_.phase == Phase::streaming) board_.caught_up(position);
}

void TargetWorker::become_consistent(const std::stop_token& stop) {
  ledger_.consistent = true;
  LOCKSTEP_FAILPOINT("snap.consistent");
  build_keys(stop);
  if (stop.stop_requested()) return;
  applier_->set_keyed(true);
  applier_->set_becomes_consistent(false);
  settle_dual_writes();
  applier_->set_dual(dual_);
  acknowledge();
}

void TargetWorker::acknowledge() {
  LOCKSTEP_FAILPOINT("apply.ack_due");
  send(Kind::ack, wire::encode_position(*ledger_.position));
  LOCKSTEP_FAILPOINT("apply.acked");
}

}  // namespace lockstep::ops
