#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ops/commands.hpp"
#include "ops/names.hpp"
#include "ops/observe.hpp"

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

void print_tables(const json& object, Screen& screen) {
  for (const json& table : object.value("tables", json::array())) {
    const std::string state = table.value("indexed", false)  ? "following"
                              : table.value("copied", false) ? "copied"
                                                             : "copying";
    screen.result(fmt::format("  {:<32} {:>14} rows copied   {}", table.value("name", "?"),
                              grouped(table.value("rows_copied", std::int64_t{0})), state));
  }
}

void print_status(const Observed& observed, Screen& screen) {
  screen.json(observed.json);
  const json object = json::parse(observed.json);
  screen.result(fmt::format(
      "{}  {}{}  {}", text_of(object, "migration"), text_of(object, "phase"),
      observed.consistent ? "  consistent" : "",
      observed.running ? fmt::format("running (pid {})", object.value("pid", 0)) : "not running"));
  screen.result(fmt::format("  source     {}", text_of(object, "source")));
  screen.result(fmt::format("  target     {}  schema {}", text_of(object, "target"),
                            text_of(object, "schema")));
  screen.result(fmt::format("  captured   {}", text_of(object, "captured")));
  screen.result(fmt::format("  applied    {}", text_of(object, "applied")));
  screen.result(fmt::format("  acked      {}", text_of(object, "acked")));
  screen.result(fmt::format("  backlog    {} changes   lag {} ms   p50 {}   p99 {}",
                            text_of(object, "backlog_changes"), text_of(object, "lag_ms"),
                            text_of(object, "lag_p50_ms"), text_of(object, "lag_p99_ms")));
  const json& awaited = object["awaited"];
  if (awaited.is_object())
    screen.result(fmt::format("  waiting    since {}: {}", text_of(awaited, "since"),
                              text_of(awaited, "what")));
  print_tables(object, screen);
  if (!observed.running)
    screen.result(fmt::format("next      lockstep run {} TARGET", text_of(object, "source")));
}

}  // namespace

ExitCode command_status(const StatusRequest& request, Screen& screen, Signals& signals) {
  print_status(observe(request.side), screen);
  constexpr Milliseconds kEvery{1'000};
  while (request.watch) {
    if (signals.wait(kEvery)) break;
    screen.result("");
    print_status(observe(request.side), screen);
  }
  return ExitCode::done;
}

}  // namespace lockstep::ops
