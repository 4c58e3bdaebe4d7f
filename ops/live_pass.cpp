#include "ops/live_pass.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "model/clock.hpp"
#include "ops/names.hpp"
#include "ops/observe.hpp"
#include "ops/since.hpp"
#include "ops/verified_text.hpp"

namespace lockstep::ops {

namespace {

constexpr Milliseconds kPassTakenUpWithin{15'000};

[[noreturn]] void throw_pass_failed(const verify::Pass& pass) {
  throw Error({.code = "LS-V507",
               .exit = ExitCode::stopped,
               .what = "the verification ended before its end",
               .why = pass.problem,
               .data = "nothing is claimed; replication goes on",
               .todo = "verify again once that is mended"});
}

std::uint64_t rows_of(postgres::Connection& target, std::int64_t pass) {
  std::uint64_t rows = 0;
  for (const verify::TableRecord& record : verify::read_records(target, pass))
    rows += record.source_rows;
  return rows;
}

// As the one that has the source says; what another process put down is not trusted to be in form.
std::string why_it_waits(const Observed& observed) {
  const auto status = nlohmann::json::parse(observed.json, nullptr, false);
  if (!status.is_object() || !status.contains("barrier_waits")) return {};
  const auto& waits = status["barrier_waits"];
  if (!waits.is_object()) return {};
  const std::string text = waiting_text(
      {"", waits.value("what", ""), waits.value("since_us", std::int64_t{0})}, wall_now_us());
  return text.empty() ? text : "; " + text;
}

// The pass of a running lockstep, from its request to its end.
verify::Pass wait_for_pass(const std::string& path, postgres::Connection& target,
                           const std::string& migration, std::int64_t id, Screen& screen) {
  Deadline deadline(kPassTakenUpWithin);
  std::string why;
  std::uint64_t rows_before = 0;  // compared by the one that is before us
  for (int look = 1;; ++look) {
    const auto pass = verify::read_pass(target, id);
    check(pass.has_value(), "a pass that was asked for is on record");
    if (verify::is_over(pass->state)) return *pass;
    // Another one before it may take as long as it likes, if it gets on.
    if (pass->state == verify::PassState::requested && deadline.passed()) {
      const auto first = verify::next_pass(target, migration);
      const std::uint64_t now = first && first->id != id ? rows_of(target, first->id) : 0;
      if (now != std::exchange(rows_before, now)) deadline = Deadline(kPassTakenUpWithin);
    }
    const bool waits = pass->state == verify::PassState::requested && deadline.passed();
    bool alone = false;
    if (look % 20 == 0) {
      const Observed observed = observe(path);
      alone = !observed.running;
      why = why_it_waits(observed);
    }
    // One that was taken up goes on with the next lockstep: what it has proven is on record.
    if ((waits || alone) && (verify::withdraw_pass(target, id) || alone))
      throw_nobody_follows(path);
    std::uint64_t rows = 0;
    std::string table;
    for (const verify::TableRecord& record : verify::read_records(target, id)) {
      rows += record.source_rows;
      if (!record.done) table = record.name;
    }
    screen.progress(fmt::format("comparing {}: {} rows so far{}", table,
                                grouped(static_cast<std::int64_t>(rows)), why));
    std::this_thread::sleep_for(Milliseconds{50});
  }
}

// It went through all tables, and those that could not be compared say why.
bool is_of_tables(const std::vector<verify::TableRecord>& records) {
  return std::all_of(records.begin(), records.end(), [](const auto& one) { return one.done; }) &&
         std::any_of(records.begin(), records.end(),
                     [](const auto& one) { return !one.problem.empty(); });
}

std::string why_nobody_follows(const Observed& observed) {
  if (!observed.running) return "it was stopped";
  const auto status = nlohmann::json::parse(observed.json, nullptr, false);
  const auto said = [&](const char* member) -> std::string {
    if (!status.is_object() || !status.contains(member) || !status[member].is_object()) return {};
    const auto what = status[member].value("what", nlohmann::json());
    return what.is_string() ? what.get<std::string>() : std::string();
  };
  for (const char* member : {"awaited", "stalled"})
    if (const std::string what = said(member); !what.empty())
      return fmt::format("its phase is {}, and it waits: {}", observed.phase, what);
  if (observed.phase == "streaming" || observed.phase == "reverse")
    return fmt::format("its phase is {}, and it is busy with something else", observed.phase);
  return fmt::format("it does not follow yet: its phase is {}", observed.phase);
}

}  // namespace

void throw_nobody_follows(const std::string& path) {
  throw Error(
      {.code = "LS-V503",
       .exit = ExitCode::timed_out,
       .what = "the running lockstep does not take up the verification",
       .why = why_nobody_follows(observe(path)),
       .data = "nothing was compared",
       .todo = fmt::format("lockstep status {}; ask again once it follows", shell_word(path))});
}

verify::Pass run_live_pass(const std::string& path, postgres::Connection& target,
                           const std::string& migration, const verify::PassRequest& request,
                           Screen& screen) {
  // The one that follows makes the tables.
  for (const Deadline deadline(kPassTakenUpWithin); !verify::records_exist(target);) {
    if (deadline.passed()) throw_nobody_follows(path);
    std::this_thread::sleep_for(Milliseconds{50});
  }
  const std::int64_t id = verify::request_pass(target, migration, request);
  const verify::Pass pass = wait_for_pass(path, target, migration, id, screen);
  screen.end_progress();
  if (pass.since_from && pass.request.since)
    throw_cannot_go_back(*pass.request.since, *pass.since_from);
  if (pass.state == verify::PassState::failed && !is_of_tables(verify::read_records(target, id)))
    throw_pass_failed(pass);
  return pass;
}

}  // namespace lockstep::ops
