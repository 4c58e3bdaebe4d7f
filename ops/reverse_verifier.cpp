#include "ops/reverse_verifier.hpp"

#include <poll.h>

#include <array>
#include <utility>

#include "model/failpoint.hpp"
#include "switchover/sqlite_side.hpp"

namespace lockstep::ops {

namespace {

// SQLite's readers are the application's, who do not mind ours. With a rollback journal rounds wait
// meanwhile, and so does the COMMIT of a rollback, for which the writers wait.
constexpr Milliseconds kViewInWal{200}, kViewInJournal{10};

}  // namespace

ReverseVerifier::ReverseVerifier(VerifierTarget target, std::string path,
                                 ContinuousPasses continuous, Board& board)
    : path_(std::move(path)), postgres_(std::move(target), continuous, none_, board) {}

void ReverseVerifier::begin(const std::vector<apply::LedgerTable>& tables) {
  plans_ = apply::plans_of(tables);
  postgres_.tables(tables, {});  // dual writing ended with the cutover
  postgres_.reconnected();
  postgres_.mail().session_began();
}

void ReverseVerifier::end() {
  postgres_.mail().session_lost();
  sqlite_.reset();
}

std::optional<switchover::ReverseRound> ReverseVerifier::turn(switchover::ReverseFeed& feed,
                                                              postgres::Connection& ledger) {
  take_answers();
  postgres_.look_for_pass(ledger);
  hand_over_requests();
  if (view_is_out_) return std::nullopt;
  const auto wanted = sqlite_.next();
  if (!wanted) return std::nullopt;
  LOCKSTEP_FAILPOINT("verify.wanted");
  try {
    return make_barrier(feed, *wanted);
  } catch (const Error& error) {
    // If it is more than the pass's trouble, the next round comes upon it as well. A barrier that
    // has been handed over already is no longer there to be dropped.
    const auto front = sqlite_.next();
    if (!ledger.alive() || !front || front->barrier != wanted->barrier) throw;
    sqlite_.drop_next();
    postgres_.mail().answer({wanted->barrier, wire::Kind::barrier, {}, {}, error.facts()});
    return std::nullopt;
  }
}

switchover::ReverseRound ReverseVerifier::make_barrier(switchover::ReverseFeed& feed,
                                                       const wire::BarrierWanted& wanted) {
  const switchover::ReverseRound round = feed.round_and_keep_view(tables_for(wanted));
  try {
    // Nothing: another lockstep made the next round already. At the next turn, then.
    if (auto view = view_at(round.position)) {
      const switchover::ReverseFeed::SharedView shared = feed.share_view();
      if (postgres_.open_view({wanted.barrier, view->position()}, shared.snapshot, shared.tables)) {
        view_is_out_ = true;
        static_cast<void>(
            sqlite_.begin(std::move(*view), plans_, wal_ ? kViewInWal : kViewInJournal));
        LOCKSTEP_FAILPOINT("verify.handed_over");
      } else {
        sqlite_.drop_next();
        spare_ = view->end();
      }
    }
  } catch (const Error&) {
    feed.end_view();
    throw;
  }
  feed.end_view();
  return round;
}

std::vector<std::uint32_t> ReverseVerifier::tables_for(const wire::BarrierWanted& wanted) const {
  if (wanted.queries.empty()) return {wanted.table};
  std::vector<std::uint32_t> all;
  for (const TablePlan& plan : plans_) all.push_back(plan.id);
  return all;
}

std::optional<capture::View> ReverseVerifier::view_at(const switchover::ReversePosition& position) {
  if (!spare_)
    spare_ = std::make_unique<sqlite::Database>(
        sqlite::Database::open(path_, sqlite::OpenMode::read_only));
  auto transaction =
      std::make_unique<sqlite::Transaction>(*spare_, sqlite::Transaction::Mode::deferred);
  if (!switchover::follows_at(*spare_, position, plans_)) return std::nullopt;
  const auto at = switchover::as_position(position);
  check(at.has_value(), "a round's position has an era");
  wal_ = spare_->in_wal_mode();
  return capture::View(std::move(spare_), std::move(transaction), *at);
}

void ReverseVerifier::hand_over_requests() {
  for (BarrierMail::Request& request : postgres_.mail().take_requests()) {
    if (request.kind == wire::Kind::barrier_wanted) {
      sqlite_.want(wire::decode_barrier_wanted(request.body));
      continue;
    }
    for (SourceVerifier::Reply& reply : sqlite_.narrow(wire::decode_narrow(request.body)))
      postgres_.mail().received(reply.kind, std::move(reply.body));
  }
}

void ReverseVerifier::take_answers() {
  for (SourceVerifier::Finished& finished : sqlite_.take_finished()) {
    spare_ = finished.view.end();
    view_is_out_ = false;
    if (finished.reply)
      postgres_.mail().received(finished.reply->kind, std::move(finished.reply->body));
  }
}

void ReverseVerifier::rest(Milliseconds at_most) {
  std::array<pollfd, 2> bells{
      {{postgres_.mail().descriptor(), POLLIN, 0}, {sqlite_.descriptor(), POLLIN, 0}}};
  static_cast<void>(::poll(bells.data(), bells.size(), static_cast<int>(at_most.count())));
}

}  // namespace lockstep::ops
