#include "ops/verify_queries.hpp"

#include <algorithm>
#include <thread>

#include "model/clock.hpp"
#include "ops/live_pass.hpp"
#include "ops/names.hpp"
#include "ops/observe.hpp"
#include "verify/query.hpp"
#include "verify/query_record.hpp"

namespace lockstep::ops {

using verify::QueryPair;
using verify::QueryRequest;
using verify::Verdict;

namespace {

constexpr Milliseconds kQueriesTakenUpWithin{15'000};

[[noreturn]] void throw_failed(const std::string& why) {
  throw Error({.code = "LS-V507",
               .exit = ExitCode::stopped,
               .what = "the verification ended before its end",
               .why = why,
               .data = "nothing is claimed; replication goes on",
               .todo = "verify again once that is mended"});
}

}  // namespace

std::vector<QueryPair> wanted_pairs(const VerifyRequest& request,
                                    const std::vector<apply::LedgerTable>& tables) {
  std::vector<QueryPair> pairs;
  if (request.counts || request.checks)
    for (const apply::LedgerTable& table : tables)
      if (request.tables.empty() || matches_any(table.plan.name(), request.tables))
        pairs.push_back({request.counts ? QueryPair::Kind::counts : QueryPair::Kind::columns,
                         table.plan.name(), "", "", ""});
  if (!request.counts)
    for (const config::Validator& each : request.validators)
      pairs.push_back(
          {QueryPair::Kind::validator, each.name, each.source, each.target, each.expect});
  return pairs;
}

std::vector<Verdict> ask_running(const std::string& path, postgres::Connection& target,
                                 const std::string& migration, const std::vector<QueryPair>& pairs,
                                 Screen& screen) {
  const Deadline deadline(kQueriesTakenUpWithin);
  while (!verify::query_records_exist(target)) {  // the one that follows makes the table
    if (deadline.passed()) throw_nobody_follows(path);
    std::this_thread::sleep_for(Milliseconds{50});
  }
  const std::int64_t id = verify::request_queries(target, migration, pairs);
  for (int look = 1;; ++look) {
    auto request = verify::read_queries(target, id);
    check(request.has_value(), "queries that were asked for are on record");
    if (request->state == QueryRequest::State::answered) return std::move(request->verdicts);
    if (request->state == QueryRequest::State::failed) throw_failed(request->problem);
    const bool waits = request->state == QueryRequest::State::requested && deadline.passed();
    if (waits || (look % 20 == 0 && !observe(path).running)) throw_nobody_follows(path);
    screen.progress("asking both sides");
    std::this_thread::sleep_for(Milliseconds{50});
  }
}

std::vector<Verdict> ask_at_rest(sqlite::Database& source, postgres::Connection& target,
                                 const apply::LedgerRow& ledger,
                                 const std::vector<TablePlan>& plans,
                                 const std::vector<QueryPair>& pairs) {
  std::vector<Verdict> verdicts;
  for (const QueryPair& pair : pairs) {
    const auto found = std::find_if(plans.begin(), plans.end(), [&](const TablePlan& plan) {
      return plan.name() == pair.name;
    });
    const TablePlan* plan =
        pair.kind == QueryPair::Kind::validator || found == plans.end() ? nullptr : &*found;
    verify::Answer here;
    {
      sqlite::ReadGuard guard(source, verify::readable_tables(plans), verify::kRestPatience);
      here = verify::ask_source(source, guard, verify::source_sql(pair, plan));
    }
    const verify::Answer there =
        verify::ask_target(target, ledger.target_schema, verify::personal_tables(plans),
                           verify::target_sql(pair, plan, ledger.target_schema, ledger.migration),
                           verify::kRestPatience);
    verdicts.push_back(verify::judge(pair, plan, here, there));
    verdicts.back().position = ledger.position;
  }
  return verdicts;
}

}  // namespace lockstep::ops
