#include "ops/status.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "model/clock.hpp"
#include "ops/going_back.hpp"
#include "ops/progress.hpp"

namespace lockstep::ops {

namespace {

using nlohmann::json;

json position(const std::optional<Position>& where) {
  return where ? json(to_string(*where)) : json(nullptr);
}

json number(const std::optional<double>& value) {
  return value ? json(*value) : json(nullptr);
}

json count(const std::optional<std::int64_t>& value) {
  return value ? json(*value) : json(nullptr);
}

// Whole seconds and rows: the rest would only look exact.
json whole(const std::optional<double>& value) {
  return value ? json(std::llround(*value)) : json(nullptr);
}

json eta_s(const std::optional<Eta>& eta) {
  return eta ? json(std::llround(eta->seconds)) : json(nullptr);
}

json eta_range_s(const std::optional<Eta>& eta) {
  if (!eta) return nullptr;
  return {std::llround(eta->soonest_s), std::llround(eta->latest_s)};
}

json table_verified_json(const TableVerified& verified) {
  return {{"state", verified.state},
          {"rows", verified.rows},
          {"different", verified.different},
          {"problem", verified.problem.empty() ? json(nullptr) : json(verified.problem)},
          {"at", verified.at_us == 0 ? json(nullptr) : json(rfc3339(verified.at_us))},
          {"at_us", verified.at_us},
          {"position", verified.position.empty() ? json(nullptr) : json(verified.position)},
          {"converged", verified.converged},
          {"converged_at",
           verified.converged_at.empty() ? json(nullptr) : json(verified.converged_at)}};
}

json dual_json(const std::optional<apply::DualTable>& dual) {
  if (!dual) return nullptr;
  return {{"policy", to_string(dual->policy)},
          {"since", dual->since},
          {"conflicts", dual->conflicts},
          {"last_key", dual->last_key.empty() ? json(nullptr) : json(dual->last_key)}};
}

json verifying_json(const std::optional<Verifying>& verifying) {
  if (!verifying) return nullptr;
  return {{"pass", verifying->pass},
          {"table", verifying->table},
          {"tables", verifying->tables},
          {"tables_done", verifying->tables_done},
          {"rows", verifying->rows}};
}

json tables_json(const std::vector<TableProgress>& tables) {
  json list = json::array();
  for (const TableProgress& table : tables)
    list.push_back({{"name", table.name},
                    {"rows_copied", table.rows},
                    {"rows_expected", table.expected},
                    {"copied", table.copied},
                    {"indexed", table.indexed},
                    {"state", state_of(table)},
                    {"rows_per_second", whole(table.rows_per_second)},
                    {"eta_s", eta_s(table.eta)},
                    {"verified", table_verified_json(table.verified)},
                    {"dual_write", dual_json(table.dual)}});
  return list;
}

json waits_json(const std::optional<Awaited>& waits) {
  if (!waits) return nullptr;
  return {
      {"what", waits->what}, {"since", rfc3339(waits->since_us)}, {"since_us", waits->since_us}};
}

json awaited_json(const std::optional<Awaited>& awaited) {
  if (!awaited) return nullptr;
  return {{"code", awaited->code}, {"what", awaited->what}, {"since", rfc3339(awaited->since_us)}};
}

json guard_json(const std::optional<apply::GuardSeen>& guard) {
  if (!guard) return nullptr;
  json without = json::array();
  for (const apply::Unguarded& each : guard->without)
    without.push_back({{"table", each.relation}, {"why", each.why}});
  return {{"mode", to_string(guard->mode)},
          {"held", guard->held},
          {"without", std::move(without)},
          {"foreign_writes", guard->foreign_writes},
          {"last_write", guard->last_write}};
}

json verified_json(const std::optional<Verified>& verified) {
  if (!verified) return nullptr;
  return {{"pass", verified->pass},
          {"state", verified->state},
          {"all", verified->all},
          {"tables", verified->tables},
          {"rows", verified->rows},
          {"different", verified->different},
          {"quarantined", verified->quarantined},
          {"ended", rfc3339(verified->ended_us)}};
}

}  // namespace

std::string_view state_of(const TableProgress& table) {
  if (table.indexed) return "indexed";
  if (table.indexing) return "indexing";
  if (table.copied) return "copied";
  if (table.begun) return "copying";
  return table.rows > 0 ? "begun" : "waiting";
}

bool is_nothing_new(Status now, const Status& before) {
  now.source_seen_us = before.source_seen_us;
  now.target_seen_us = before.target_seen_us;
  return now == before;
}

std::string status_json(const Status& status, std::string_view type) {
  const json object{
      {"type", type},
      {"migration", status.migration},
      {"source", status.source},
      {"target", status.target},
      {"schema", status.schema},
      {"pid", status.pid},
      {"boot", status.boot},
      {"started", rfc3339(status.started_us)},
      {"phase", status.phase},
      {"consistent", status.consistent},
      {"captured", position(status.captured)},
      {"applied", position(status.applied)},
      {"acked", position(status.acked)},
      {"backlog_changes", is_backlog_known(status) ? json(status.backlog) : json()},
      {"schema_settled", count(status.schema_settled)},
      {"lag_ms", number(status.lag_ms)},
      {"lag_p50_ms", number(status.lag_p50_ms)},
      {"lag_p99_ms", number(status.lag_p99_ms)},
      {"changes_applied", status.changes_applied},
      {"batches_applied", status.batches_applied},
      {"fallbacks", status.fallbacks},
      {"rows_copied", status.rows_copied},
      {"copy_rows_per_second", static_cast<std::int64_t>(status.copy_rows_per_second)},
      {"rows_per_second", whole(status.rows_per_second)},
      {"eta_s", eta_s(status.eta)},
      {"eta_range_s", eta_range_s(status.eta)},
      {"changes_pruned", status.pruned},
      {"resyncs", status.resyncs},
      {"long_reads", status.long_reads},
      {"quarantined", count(status.quarantined)},
      {"skipped", count(status.skipped)},
      {"reconnects", status.reconnects},
      {"refused", status.refused},
      {"dropped", status.dropped},
      {"tables", tables_json(status.tables)},
      {"updated_us", wall_now_us()},
      {"source_seen_us", status.source_seen_us},
      {"target_seen_us", status.target_seen_us},
      {"awaited", awaited_json(status.awaited)},
      {"verified", verified_json(status.verified)},
      {"guard", guard_json(status.guard)},
      {"verifying", verifying_json(status.verifying)},
      {"barrier_waits", waits_json(status.barrier_waits)},
      {"writers", status.writers},
      {"refused_writes", status.refused_writes},
      {"open_in", status.open_in},
      {"cannot_go_back", going_back_json(status.cannot_go_back)},
      {"reverse_round", status.reverse_number},
      {"reverse_caught_up_us", status.reverse_caught_up_us},
      {"stalled", nullptr}};
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace lockstep::ops
