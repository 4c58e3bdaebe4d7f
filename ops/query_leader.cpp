#include "ops/query_leader.hpp"

#include <algorithm>
#include <utility>

#include "link/wire/verification.hpp"
#include "verify/query.hpp"
#include "verify/query_record.hpp"

namespace lockstep::ops {

namespace {

using verify::QueryPair;
using verify::QueryRequest;
using verify::Verdict;
using wire::Kind;

BarrierMail::Answer await(const QueryParts& parts, std::uint64_t barrier, Kind kind) {
  return parts.mail.await(parts.session, barrier, kind, parts.stop);
}

std::vector<Verdict> answer_at_barrier(const QueryParts& parts,
                                       const std::vector<TablePlan>& followed,
                                       const std::vector<QueryPair>& pairs) {
  std::vector<const TablePlan*> plans;
  std::vector<Verdict> verdicts;
  wire::BarrierWanted wanted;
  wanted.barrier = parts.new_barrier();
  for (const QueryPair& pair : pairs) {
    const auto plan = std::find_if(followed.begin(), followed.end(),
                                   [&](const TablePlan& one) { return one.name() == pair.name; });
    const bool of_table = pair.kind != QueryPair::Kind::validator;
    plans.push_back(of_table && plan != followed.end() ? &*plan : nullptr);
    // One that is not followed (any more) is asked for nothing.
    wanted.queries.push_back(of_table && plans.back() == nullptr
                                 ? "SELECT NULL"
                                 : verify::source_sql(pair, plans.back()));
  }
  try {
    parts.mail.request(Kind::barrier_wanted, wire::encode_barrier_wanted(wanted));
    const Position position = await(parts, wanted.barrier, Kind::barrier).position;
    const wire::QueryAnswers source =
        wire::decode_query_answers(await(parts, wanted.barrier, Kind::query_answers).body);
    postgres::Connection& view = parts.view(wanted.barrier);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      verify::Answer unknown;
      unknown.problem = "no such table is followed";
      const bool known = pairs[i].kind == QueryPair::Kind::validator || plans[i] != nullptr;
      const verify::Answer target =
          known ? verify::ask_target(
                      view, parts.schema, verify::personal_tables(followed),
                      verify::target_sql(pairs[i], plans[i], parts.schema, parts.migration),
                      verify::kLiveTargetPatience)
                : unknown;
      verdicts.push_back(
          verify::judge(pairs[i], plans[i],
                        known && i < source.answers.size() ? source.answers[i] : unknown, target));
      verdicts.back().position = position;
    }
    view.exec("ROLLBACK");
  } catch (...) {
    parts.view(wanted.barrier).abort();  // the next barrier on it begins a transaction of its own
    throw;
  }
  return verdicts;
}

// All counts at one position; else a barrier for each pair, so that no view stays open for long.
std::vector<Verdict> answer(const QueryParts& parts, const std::vector<TablePlan>& plans,
                            const QueryRequest& request) {
  std::vector<Verdict> verdicts(request.pairs.size());
  std::vector<QueryPair> counts;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < request.pairs.size(); ++i) {
    const QueryPair& pair = request.pairs[i];
    if (pair.kind == QueryPair::Kind::counts) {
      counts.push_back(pair);
      places.push_back(i);
    } else if (pair.kind == QueryPair::Kind::validator && !request.trusted) {
      verdicts[i].name = pair.name;
      verdicts[i].rows = 1;
      verdicts[i].what =
          "role " + request.asked_by + " may not have SQL run with the rights of lockstep's role";
    } else {
      verdicts[i] = answer_at_barrier(parts, plans, {pair}).front();
    }
  }
  if (counts.empty()) return verdicts;
  std::vector<Verdict> answered = answer_at_barrier(parts, plans, counts);
  for (std::size_t i = 0; i < places.size(); ++i) verdicts[places[i]] = std::move(answered[i]);
  return verdicts;
}

}  // namespace

void answer_queries(const QueryParts& parts, const std::vector<TablePlan>& plans) {
  while (auto request = verify::next_queries(parts.ledger, parts.migration)) {
    request->state = QueryRequest::State::running;
    verify::move_queries(parts.ledger, *request);
    try {
      request->verdicts = answer(parts, plans, *request);
      request->state = QueryRequest::State::answered;
    } catch (const Error& error) {
      if (error.retry() != Retry::never) throw;
      request->state = QueryRequest::State::failed;
      request->problem = error.what();
    }
    verify::move_queries(parts.ledger, *request);
  }
  verify::forget_old_queries(parts.ledger, parts.migration);
}

}  // namespace lockstep::ops
