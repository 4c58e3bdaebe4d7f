#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "ops/commands.hpp"
#include "ops/follow.hpp"
#include "ops/going_back.hpp"
#include "ops/left_out.hpp"
#include "ops/names.hpp"
#include "ops/observe.hpp"
#include "ops/verified_text.hpp"

namespace lockstep::ops {

namespace {

using nlohmann::json;

std::string text_of(const json& object, const char* member) {
  const auto found = object.find(member);
  if (found == object.end() || found->is_null()) return "-";
  if (found->is_string()) return found->get<std::string>();
  if (found->is_number_float()) return fmt::format("{:.1f}", found->get<double>());
  if (found->is_number_integer()) return grouped(found->get<std::int64_t>());
  return found->dump();
}

std::optional<Eta> eta_of(const json& object) {
  const auto found = object.find("eta_s");
  if (found == object.end() || !found->is_number()) return std::nullopt;
  const auto seconds = found->get<double>();
  const json range = object.value("eta_range_s", json());
  if (!range.is_array() || range.size() != 2) return Eta{seconds, seconds, seconds};
  return Eta{seconds, range[0].get<double>(), range[1].get<double>()};
}

std::optional<std::int64_t> count_of(const json& object, const char* member) {
  const auto found = object.find(member);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

std::optional<double> rate_of(const json& object) {
  const auto found = object.find("rows_per_second");
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

TableVerified verified_of(const json& object) {
  TableVerified verified;
  if (!object.is_object()) return verified;
  verified.state = object.value("state", verified.state);
  verified.different = object.value("different", std::int64_t{0});
  verified.problem = text_of(object, "problem");
  verified.at_us = object.value("at_us", std::int64_t{0});
  if (object.value("converged_at", json()).is_string()) {
    verified.converged = object.value("converged", std::int64_t{0});
    verified.converged_at = object["converged_at"];
  }
  return verified;
}

std::optional<apply::DualTable> dual_of(const json& object) {
  if (!object.is_object()) return std::nullopt;
  apply::DualTable dual;
  dual.policy = apply::parse_dual_policy(object.value("policy", "")).value_or(dual.policy);
  dual.conflicts = object.value("conflicts", std::int64_t{0});
  if (object.value("last_key", json()).is_string()) dual.last_key = object["last_key"];
  return dual;
}

std::string dual_text(const apply::DualTable& dual) {
  std::string text = fmt::format("   dual-written ({})", to_string(dual.policy));
  if (dual.conflicts > 0)
    text += fmt::format(", {} conflict(s), the last: {}", grouped(dual.conflicts), dual.last_key);
  return text;
}

// As far as the copy needs it. A lockstep of another version may have published less.
Status status_of(const json& object) {
  Status status;
  status.phase = object.value("phase", "");
  status.copy_rows_per_second = object.value("copy_rows_per_second", 0.0);
  status.rows_per_second = rate_of(object);
  status.eta = eta_of(object);
  for (const json& table : object.value("tables", json::array())) {
    TableProgress progress;
    progress.name = table.value("name", "?");
    progress.rows = table.value("rows_copied", std::int64_t{0});
    progress.expected = table.value("rows_expected", std::int64_t{0});
    progress.copied = table.value("copied", false);
    progress.indexed = table.value("indexed", false);
    progress.begun = table.value("state", "") == "copying";
    progress.indexing = table.value("state", "") == "indexing";
    progress.rows_per_second = rate_of(table);
    progress.eta = eta_of(table);
    progress.verified = verified_of(table.value("verified", json()));
    progress.dual = dual_of(table.value("dual_write", json()));
    status.tables.push_back(std::move(progress));
  }
  return status;
}

void print_tables(const Status& status, Screen& screen) {
  if (status.phase == "snapshot") screen.result(fmt::format("  copy       {}", copy_text(status)));
  if (status.phase == "indexing") screen.result(fmt::format("  indexes    {}", index_text(status)));
  const bool back = status.phase == "reverse";
  const bool follows = status.phase == "streaming" || back;
  // lockstep capture does not know how far apply is.
  const bool known = status.phase != "capturing" && status.phase != "serving" &&
                     status.phase != "waiting for apply";
  const bool counted =  // by apply, which is another process then
      !back && !status.target.starts_with("tcp://") && !status.target.starts_with("ipc://");
  for (const TableProgress& table : status.tables) {
    const std::string_view state = follows ? "following" : known ? state_of(table) : "";
    std::string line = counted ? fmt::format("  {:<32} {:>14} rows copied   {}", table.name,
                                             grouped(table.rows), state)
                               : fmt::format("  {:<32} {}", table.name, state);
    if (const std::string equal = verified_text(table.verified, wall_now_us()); !equal.empty())
      line += "   " + equal;
    if (table.dual) line += dual_text(*table.dual);
    if (under_way(table)) {
      if (const Share share = share_of(table); share.percent)
        line += fmt::format("   {:.1f} % of {}", *share.percent, grouped(share.expected));
      if (table.eta) line += "   " + eta_text(*table.eta);
    }
    screen.result(line);
  }
}

// Of the newest word about each table; else, as an older lockstep has it, of the last comparison.
void print_verified(const json& verified, const Status& status, Screen& screen) {
  if (const std::string text = verified_text(status, wall_now_us()); !text.empty()) {
    const bool different =
        std::any_of(status.tables.begin(), status.tables.end(),
                    [](const TableProgress& table) { return table.verified.state == "mismatch"; });
    constexpr std::string_view kVerb = "verified ";
    screen.result(fmt::format("  verified   {}{}",
                              text.starts_with(kVerb) ? text.substr(kVerb.size()) : text,
                              different ? ": lockstep verify --repair" : ""));
    return;
  }
  if (!verified.is_object()) return;
  const auto different = count_of(verified, "different").value_or(0);
  screen.result(fmt::format(
      "  verified   {} at {}: {} rows of {} {}{}",
      different > 0 ? "DIFFERENT" : text_of(verified, "state"), text_of(verified, "ended"),
      text_of(verified, "rows"), text_of(verified, "tables"),
      verified.value("all", true) ? "tables" : "chosen tables",
      different > 0 ? fmt::format("; {} differ: lockstep verify --repair", grouped(different))
                    : ""));
}

void print_verifying(const json& object, Screen& screen) {
  const json verifying = object.value("verifying", json()),
             waits = object.value("barrier_waits", json());
  std::string line;
  if (verifying.is_object())
    line = fmt::format("{}, {} of {} tables done, {} rows", text_of(verifying, "table"),
                       text_of(verifying, "tables_done"), text_of(verifying, "tables"),
                       text_of(verifying, "rows"));
  if (waits.is_object()) {
    const std::string why = waiting_text(
        {"", text_of(waits, "what"), waits.value("since_us", std::int64_t{0})}, wall_now_us());
    if (!why.empty()) line += (line.empty() ? "" : "; ") + why;
  }
  if (!line.empty()) screen.result("  comparing  " + line);
}

void print_writers(const json& object, Screen& screen) {
  const std::string writers = object.value("writers", "sqlite");
  if (writers == "sqlite") return;
  const auto refused = count_of(object, "refused_writes").value_or(0);
  screen.result(fmt::format(
      "  writers    {}{}", writers,
      refused > 0 ? fmt::format("; SQLite has refused {} write(s)", grouped(refused)) : ""));
  if (const auto round = count_of(object, "reverse_round").value_or(0); round > 0)
    screen.result(fmt::format("  reverse    round {}", grouped(round)));
  for (const switchover::CannotGoBack& one : going_back_of(object))
    screen.result(
        fmt::format("  {:<9}  {}", one.blocks ? "no return" : "one way", switchover::counted(one)));
  std::vector<std::string> open;
  for (const json& each : object.value("open_in", json::array()))
    if (each.is_string()) open.push_back(each);
  if (!open.empty()) screen.result(fmt::format("  open in    {}", fmt::join(open, ", ")));
}

// The way there has positions; the way back has rows in PostgreSQL's log.
void print_progress(const json& object, Screen& screen) {
  const auto backlog = count_of(object, "backlog_changes");
  const std::string waiting = backlog ? backlog_text(*backlog) : "-";
  if (object.value("phase", "") == "reverse") {
    const auto at_us = count_of(object, "reverse_caught_up_us").value_or(0);
    screen.result(
        fmt::format("  backlog    {}   {}", waiting,
                    at_us == 0 ? std::string("not caught up")
                               : fmt::format("caught up {} ago", age_text(wall_now_us() - at_us))));
    return;
  }
  screen.result(fmt::format("  captured   {}", text_of(object, "captured")));
  screen.result(fmt::format("  applied    {}", text_of(object, "applied")));
  screen.result(fmt::format("  acked      {}", text_of(object, "acked")));
  screen.result(fmt::format("  backlog    {}   lag {} ms   p50 {}   p99 {}", waiting,
                            text_of(object, "lag_ms"), text_of(object, "lag_p50_ms"),
                            text_of(object, "lag_p99_ms")));
}

void print_guard(const json& guard, Screen& screen) {
  if (!guard.is_object()) return;
  std::string line = "  guard      " + text_of(guard, "mode");
  if (guard.value("held", false)) line += ", open: lockstep ddl hold";
  const json without = guard.value("without", json::array());
  if (!without.empty())
    line += fmt::format("; not on {} table(s): {}: {}", without.size(),
                        text_of(without.front(), "table"), text_of(without.front(), "why"));
  if (count_of(guard, "foreign_writes").value_or(0) > 0)
    line += fmt::format("; {} statement(s) of others, the last {}",
                        text_of(guard, "foreign_writes"), text_of(guard, "last_write"));
  screen.result(line);
}

// Behind what was published, and read now: a table that was made since is seen without a lockstep.
std::string with_left_out(const std::string& published, const LeftOut& out) {
  if (!published.ends_with('}')) return published;
  const json members{{"not_followed", out.not_followed}, {"by_choice", out.by_choice}};
  return fmt::format("{},\"left_out\":{}}}", published.substr(0, published.size() - 1),
                     members.dump(-1, ' ', false, json::error_handler_t::replace));
}

void print_left_out(const LeftOut& out, const std::string& source, Screen& screen) {
  if (!out.not_followed.empty())
    screen.result(fmt::format("  left out   {} (not followed: lockstep ddl status {})",
                              listed(out.not_followed), shell_word(source)));
  if (!out.by_choice.empty())
    screen.result(fmt::format("  left out   {} (by choice)", listed(out.by_choice)));
}

void print_status(const Observed& observed, Screen& screen) {
  const json object = json::parse(observed.json);
  const std::string source = text_of(object, "source");
  const LeftOut left_out = left_out_of(source);
  screen.json(with_left_out(observed.json, left_out));
  screen.result(fmt::format(
      "{}  {}{}  {}", text_of(object, "migration"), text_of(object, "phase"),
      observed.consistent ? "  consistent" : "",
      observed.running ? fmt::format("running (pid {})", object.value("pid", 0)) : "not running"));
  screen.result(fmt::format("  source     {}", text_of(object, "source")));
  const std::string schema = text_of(object, "schema");  // which capture alone does not know
  screen.result(fmt::format("  target     {}{}", text_of(object, "target"),
                            schema.empty() ? "" : "  schema " + schema));
  print_progress(object, screen);
  Status waiting;
  waiting.quarantined = count_of(object, "quarantined");
  waiting.skipped = count_of(object, "skipped");
  if (const std::string text = quarantine_text(waiting); !text.empty())
    screen.result(fmt::format("  absent     {}: lockstep quarantine list {}", text,
                              shell_word(text_of(object, "source"))));
  print_verified(object.value("verified", json()), status_of(object), screen);
  print_verifying(object, screen);
  print_writers(object, screen);
  print_guard(object.value("guard", json()), screen);
  print_left_out(left_out, source, screen);
  const json& awaited = object["awaited"];
  if (awaited.is_object())
    screen.result(fmt::format("  waiting    since {}: {}", text_of(awaited, "since"),
                              text_of(awaited, "what")));
  const json stalled = object.value("stalled", json());
  if (stalled.is_object())
    screen.result(fmt::format("  stalled    since {}: {}", text_of(stalled, "since"),
                              text_of(stalled, "what")));
  print_tables(status_of(object), screen);
  if (!observed.running)
    screen.result(fmt::format("next      lockstep run {} TARGET", text_of(object, "source")));
}

}  // namespace

ExitCode command_status(const StatusRequest& request, Screen& screen, Signals& signals) {
  print_status(observe(request.side, request.stalled_after), screen);
  constexpr Milliseconds kEvery{1'000};
  while (request.watch) {
    if (signals.wait(kEvery)) break;
    screen.result("");
    print_status(observe(request.side, request.stalled_after), screen);
  }
  return ExitCode::done;
}

}  // namespace lockstep::ops
