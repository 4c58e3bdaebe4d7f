#include "ops/source_worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "model/failpoint.hpp"
#include "ops/session_errors.hpp"

namespace lockstep::ops {

using wire::Kind;
using wire::Message;

namespace {
constexpr int kDiskErrorsMax = 8;  // in a row, some seconds: a disk that stays broken

// Then the source is opened anew at once, and that follows it.
bool schema_moved(const Error& error) {
  return error.code() == "LS-S306" && error.retry() == Retry::new_session;
}
}  // namespace

SourceWorker::SourceWorker(wire::Context& context, SourceOptions options, Board& board)
    : options_(std::move(options)),
      board_(board),
      router_(context, options_.listen.endpoint, options_.listen.keys),
      watch_(options_.path),
      target_memory_(options_.path, options_.prune.busy_patience),
      prune_(options_.path, options_.prune),
      health_(options_.path, options_.room, board),
      new_tables_(options_.path) {}

void SourceWorker::open_source() {
  using sqlite::Database;
  const capture::Installed& installed = options_.installed;
  session_.reset();
  verifier_.reset();
  reader_.reset();
  options_.installed.seen_in_place = tail_ ? tail_->seen_in_place() : -1;
  if (tail_) options_.installed.schema_watch = tail_->schema_watch();
  tail_.reset();
  follow_source();
  grant_text_wish();
  take_up_doubt(options_.installed.schema_watch);
  tail_.emplace(Database::open(options_.path, sqlite::OpenMode::read_only), installed.era,
                installed.tables, options_.batch);
  tail_->was_seen(installed.seen_in_place);
  tail_->go_on_watching(installed.schema_watch);
  {
    Database reading = Database::open(options_.path, sqlite::OpenMode::read_only);
    rowids_known_ = capture::recorded_rowids_version(reading);
    other_file_ = capture::is_other_file(reading);
    health_.reopened(capture::first_position(reading, installed.era));
  }
  reader_.emplace(Database::open(options_.path, sqlite::OpenMode::read_only), installed.tables,
                  options_.reader, [this](Database& reading) { return see_newest(reading); });
  LOCKSTEP_FAILPOINT("cap.open");
}

Position SourceWorker::see_newest(sqlite::Database& reading) {
  const Position newest = capture::newest_after(reading, options_.installed.era, session_->seen);
  session_->seen = newest;
  return newest;
}

void SourceWorker::run(const std::stop_token& stop) {
  const std::stop_callback ring(stop, [this] { stop_bell_.ring(); });
  Backoff backoff(Milliseconds{20}, Milliseconds{5'000}, static_cast<std::uint64_t>(wall_now_us()));
  int disk_errors = 0;
  while (!stop.stop_requested()) {
    const Deadline worked_well(Milliseconds{10'000});
    try {
      open_source();
      serve(stop);
      return;
    } catch (const Error& error) {
      refuse(error);
      if (worked_well.passed()) {
        backoff.reset();
        disk_errors = 0;
      }
      if (error.code() == "LS-S323") ++disk_errors;
      if (schema_moved(error)) continue;
      if (error.retry() == Retry::never || disk_errors == kDiskErrorsMax) {
        board_.fail(error);
        return;
      }
      board_.await(error.code(), error.what());
      const Deadline deadline(backoff.next());
      while (!stop.stop_requested() && !deadline.passed()) {
        board_.source_reports();
        std::this_thread::sleep_for(std::min(Milliseconds{50}, deadline.left()));
      }
    }
  }
}

void SourceWorker::serve(const std::stop_token& stop) {
  constexpr int kSlicesAtRest = 10;  // then somebody may have something to say
  while (!stop.stop_requested()) {
    board_.source_reports();
    look_after_source();
    look_for_apply();
    tell_waiting_barrier();
    const bool busy = produce();
    const std::array descriptors{watch_.fd(), stop_bell_.descriptor(), verifier_.descriptor()};
    const wire::Woken woken = router_.wait(descriptors, patience(busy));
    if (!woken.readable.empty() && woken.readable[0] && watch_.drain()) {
      poll_now_ = true;
      hot_until_ = steady_now() + options_.hot_poll_for;
    }
    const SteadyTime now = steady_now();
    if (now < hot_until_ || now >= next_slow_poll_) poll_now_ = true;
    receive_all();
    for (int slice = 0; slice < kSlicesAtRest && prune(); ++slice) {
    }
  }
  if (session_) {
    session_->batch.reset();
    const Message bye{Kind::bye, session_->id, end_outbox(), {}};
    static_cast<void>(router_.send(session_->peer, encode(bye)));
  }
}

Milliseconds SourceWorker::patience(bool busy) const {
  if (busy) return Milliseconds{0};
  const SteadyTime now = steady_now();
  if (now < hot_until_) return Milliseconds{1};
  return std::clamp(std::chrono::duration_cast<Milliseconds>(next_slow_poll_ - now),
                    Milliseconds{1}, options_.slow_poll);
}

void SourceWorker::receive_all() {
  const wire::Refusals refusals = router_.refusals();
  board_.turned_away(static_cast<std::int64_t>(refusals.count), refusals.last,
                     static_cast<std::int64_t>(router_.dropped()));
  while (const auto received = router_.receive()) {
    try {
      handle(received->peer, wire::decode(received->frame));
    } catch (const Error& error) {
      const bool its_own =
          options_.alone &&
          (error.code() == "LS-R708" || error.code() == "LS-S310" || error.code() == "LS-T218" ||
           error.code() == "LS-T219" || error.code() == "LS-D422");
      if (its_own || error.code().starts_with("LS-W")) {
        // A message that is not ours to understand costs its sender the session, never us.
        if (!its_own) board_.refused(error);
        if (session_ && session_->peer == received->peer)
          refuse(error);
        else if (error.code() == "LS-W503")
          refuse_stranger(received->peer, error);
        continue;
      }
      throw;
    }
  }
}

void SourceWorker::handle(const std::string& peer, const Message& message) {
  if (message.kind == Kind::hello) {
    start_session(peer, message);
    return;
  }
  // What is left over from an earlier session has nothing to say; but its sender may not know yet
  // that it is over: this process was started anew, or it lost the session to another peer.
  if (!session_ || session_->peer != peer || session_->id != message.session) {
    if (message.kind != Kind::bye)
      static_cast<void>(router_.send(peer, encode(Message{Kind::bye, message.session, 0, {}})));
    return;
  }
  heard_ = steady_now();
  if (message.number != session_->received++)
    throw lost_message("apply", message.number, session_->received - 1);
  switch (message.kind) {
    case Kind::credit:
      session_->credit.grant(wire::decode_credit(message.body));
      return;
    case Kind::copy:
      welcome_arrived();
      serve_copy(wire::decode_copy(message.body));
      return;
    case Kind::follow:
      welcome_arrived();
      if (std::exchange(served_, std::nullopt)) board_.phase("catchup", false);
      follow_from(wire::decode_position(message.body));
      session_->told_idle = false;
      poll_now_ = true;
      return;
    case Kind::ack:
      handle_ack(wire::decode_position(message.body));
      return;
    case Kind::barrier_wanted:
    case Kind::narrow:
      handle_verification(message);
      return;
    case Kind::bye:
    case Kind::refusal:
      session_.reset();
      return;
    case Kind::hello:
    case Kind::welcome:
    case Kind::chunk_rows:
    case Kind::chunk_end:
    case Kind::batch_begin:
    case Kind::batch_rows:
    case Kind::batch_end:
    case Kind::batch_slice:
    case Kind::batch_reset:
    case Kind::idle:
    case Kind::barrier:
    case Kind::digests:
    case Kind::block_rows:
    case Kind::shown_rows:
    case Kind::barrier_failed:
    case Kind::query_answers:
      throw not_for_capture(message.kind);
  }
}

bool SourceWorker::produce() {
  const bool verified = send_verified();
  if (!session_) return false;
  if (!flush_outbox()) return false;
  if (verified) return true;
  if (session_->batch) {
    produce_batch();
    return flush_outbox();
  }
  if (!reader_->done()) {
    produce_chunk();
    if (!flush_outbox()) return false;
    LOCKSTEP_FAILPOINT("snap.chunk_sent");
    return true;
  }
  if (session_->followed && poll_now_) begin_batch();
  poll_now_ = false;
  return flush_outbox() && session_->batch != nullptr;
}

void SourceWorker::serve_copy(const std::vector<wire::CopyRequest>& parts) {
  reader_->request(parts);
  // Who has acked a batch has its copy: only a broken apply asks then, and it is no copy to show.
  if (options_.alone && !session_->warm) served_.emplace(parts, options_.installed, board_);
}

void SourceWorker::produce_chunk() {
  const snapshot::Reader::Slice slice = reader_->slice();
  for (std::string_view rest = slice.entries; !rest.empty();) {
    const std::string_view fragment = rest.substr(0, wire::kFragmentBytesTarget);
    enqueue(Kind::chunk_rows, wire::encode_chunk_rows({slice.part, fragment}));
    rest.remove_prefix(fragment.size());
  }
  if (!slice.chunk_end) return;
  enqueue(Kind::chunk_end, wire::encode_chunk_end(*slice.chunk_end));
  if (served_) served_->sent(*slice.chunk_end);
}

void SourceWorker::begin_batch() {
  next_slow_poll_ = steady_now() + options_.slow_poll;
  CaptureSession& session = *session_;
  if (session.in_flight.size() >= (session.warm ? options_.batches_in_flight_max : 1)) return;
  const Position newest = tail_->newest();
  see_commit(newest);
  board_.captured(newest);
  if (keeps_few(newest.seq - session.followed->seq)) return;
  session.batch = tail_->next(*session.followed, session.seen);
  if (!session.batch) {
    if (session.in_flight.empty()) board_.schema_settled(tail_->seen_in_place());
    begin_barrier_at_rest();
    if (!session.told_idle) enqueue(Kind::idle, wire::encode_position(newest));
    session.told_idle = true;
    return;
  }
  session.told_idle = false;
  session.batch_begun = false;
  if (verifier_.wants_view()) session.batch->keep_view();
  produce_batch();
}

// Not for long: what follows a message shows that it was lost.
bool SourceWorker::keeps_few(std::int64_t changes) const {
  const auto& in_flight = session_->in_flight;
  return !in_flight.empty() && changes > 0 && changes < options_.changes_behind_min &&
         steady_now() - in_flight.back().sent < options_.keep_few_for;
}

// Nothing is sent of a batch whose first slice shows no change: the schema had moved, and that was
// looked at.
void SourceWorker::produce_batch() {
  CaptureSession& session = *session_;
  for (const capture::Slice& slice : session.batch->next()) {
    const bool nothing = slice.entries.empty() && slice.resets.empty() && slice.end &&
                         slice.end->to == session.batch->from();
    if (!session.batch_begun && nothing) {
      enqueue(Kind::idle, wire::encode_position(slice.end->to));
      session.told_idle = true;
      session.batch.reset();
      return;
    }
    if (session.batch_begun)
      enqueue(Kind::batch_slice, {});
    else
      enqueue(Kind::batch_begin, wire::encode_batch_begin({session.batch->from()}));
    session.batch_begun = true;
    for (const std::uint32_t table : slice.resets) {
      enqueue(Kind::batch_reset, wire::encode_batch_reset({table}));
      board_.resyncing(table);
    }
    enqueue_fragments(Kind::batch_rows, slice.entries);
    if (slice.end) return end_batch(*slice.end);
  }
}

void SourceWorker::end_batch(const wire::BatchEnd& end) {
  CaptureSession& session = *session_;
  enqueue(Kind::batch_end, wire::encode_batch_end(end));
  LOCKSTEP_FAILPOINT("cap.encoded");
  session.followed = end.to;
  session.in_flight.push_back({tail_->rowids_version(), tail_->seen_in_place(), steady_now()});
  board_.captured(end.to);
  if (session.batch->long_reads() > 0) board_.read_to_the_end();
  auto view = session.batch->take_view();
  session.batch.reset();
  if (view)
    begin_barrier(std::move(*view));
  else
    begin_barrier_at_rest();
}

}  // namespace lockstep::ops
