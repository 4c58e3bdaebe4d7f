#include "ops/guard_hold.hpp"

#include <fmt/format.h>

#include "apply/guard.hpp"
#include "apply/ledger.hpp"

namespace lockstep::ops {

namespace {

void hold(const capture::Installed& installed, const std::string& text, bool held, Screen& screen) {
  const postgres::Dsn dsn = postgres::parse_dsn(text);
  postgres::Connection connection = postgres::Connection::open(dsn, "ddl", Milliseconds{5'000});
  const auto ledger = apply::read_ledger(connection, installed.migration, apply::RowLock::none);
  if (!ledger || ledger->source_id != installed.source_id)
    throw Error({.code = "LS-R712",
                 .exit = ExitCode::precondition,
                 .what = fmt::format("{} has no ledger of this source", dsn.shown()),
                 .why = "lockstep has not begun there, or was removed",
                 .data = "nothing was touched there",
                 .todo = "check TARGET"});
  apply::hold_guard(connection, installed.migration, held);
  screen.result(fmt::format("guard     {} on {}", held ? "open" : "as it was", dsn.shown()));
}

}  // namespace

void hold_target_guard(const capture::Installed& installed, const std::string& target, bool held,
                       Screen& screen) {
  if (!target.empty()) return hold(installed, target, held, screen);
  if (installed.target.empty()) {  // an apply of its own: only it knows where
    if (!held)
      screen.note(
          Note{"LS-T269", "",
               "the guard on the target stays open if ddl hold was given TARGET: give it to "
               "ddl accept as well"});
    return;
  }
  try {
    hold(installed, installed.target, held, screen);
  } catch (const Error& error) {
    if (!held) {  // open behind an acceptance, it would let anybody write there
      ErrorFacts facts = error.facts();
      facts.what = "the guard on the target cannot be closed: " + facts.what;
      facts.data = "the schema is held as before; nothing was accepted";
      facts.todo = "lockstep ddl accept SOURCE TARGET; " + facts.todo;
      throw Error(std::move(facts));
    }
    screen.note(Note{
        error.code(), "",
        fmt::format("the guard on the target stays as it is (give TARGET): {}", error.what())});
  }
}

}  // namespace lockstep::ops
