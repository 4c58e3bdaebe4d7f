// The end of a round: who else may see its view, and what PostgreSQL is told.
#include <fmt/format.h>

#include <utility>

#include "link/postgres/names.hpp"
#include "link/postgres/shared_snapshot.hpp"
#include "link/sqlite/in_place.hpp"
#include "link/sqlite/replica.hpp"
#include "model/failpoint.hpp"
#include "switchover/left_tables.hpp"
#include "switchover/reverse_feed.hpp"

namespace lockstep::switchover {

namespace {

constexpr std::int64_t kDeletedMax = 20'000;                   // log rows between two VACUUMs
constexpr std::int64_t kWalBytesMax = std::int64_t{64} << 20;  // of SQLite, between checkpoints
constexpr Milliseconds kCheckpointPatience{20};

}  // namespace

ReverseRound ReverseFeed::round_and_keep_view() {
  Kept all;
  for (const TablePlan& plan : plans_) all.tables.push_back(plan.id);
  return run(all);
}

ReverseRound ReverseFeed::round_and_keep_view(const std::vector<std::uint32_t>& tables) {
  return run(Kept{tables, false});
}

ReverseFeed::SharedView ReverseFeed::share_view() {
  check(view_open_, "there is a view to share");
  return {postgres::export_snapshot(reading_), kept_};
}

void ReverseFeed::end_view() {
  check(view_open_, "there is a view to end");
  view_open_ = false;
  reading_.abort();  // it only read
  if (std::exchange(left_logged_, false)) forget_left_changes(reading_, migration_);
  if (!due_) return;
  acknowledge(*std::exchange(due_, std::nullopt));
  LOCKSTEP_FAILPOINT("rev.acked");
  sqlite::checkpoint_alone(writing_, kWalBytesMax, kCheckpointPatience);
  if (deleted_ < kDeletedMax) return;
  // What is dead at the log's beginning would be read again by every round.
  reading_.exec("VACUUM (SKIP_LOCKED, TRUNCATE false) lockstep.changes");
  deleted_ = 0;
}

// Position, log rows and which tables these were of, in one statement. If another feed did it
// already, that is as good.
void ReverseFeed::acknowledge(const Acknowledgement& done) {
  sqlite::require_in_place(writing_);  // else PostgreSQL keeps it in its log
  const postgres::Result gone = reading_.query(
      "WITH moved AS (UPDATE lockstep.ledger SET reverse_number = $2, reverse_identity = $3, "
      "updated "
      "= pg_catalog.now() WHERE migration = $1 AND role IN ('primary', 'fenced') AND reverse_era = "
      "$4::uuid AND reverse_number = $5 AND reverse_identity = $6 RETURNING migration), gone AS "
      "(DELETE FROM lockstep.changes AS c USING moved AS m WHERE c.migration = m.migration AND "
      "pg_catalog.pg_visible_in_snapshot(c.xid, $7::pg_snapshot) RETURNING c.tbl), touched AS "
      "(UPDATE lockstep.ledger_tables AS t SET reverse_touched = true FROM (SELECT DISTINCT tbl "
      "FROM "
      "gone) AS g WHERE t.migration = $1 AND t.id = g.tbl AND t.reverse_touched IS DISTINCT FROM "
      "true) SELECT count(*) FROM gone",
      {migration_, fmt::to_string(done.to.number), fmt::to_string(done.to.identity), done.from.era,
       fmt::to_string(done.from.number), fmt::to_string(done.from.identity), done.snapshot});
  deleted_ += gone.integer(0, 0);
}

}  // namespace lockstep::switchover
