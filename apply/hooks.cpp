#include "apply/hooks.hpp"

#include <fmt/format.h>

#include <optional>

#include "link/postgres/names.hpp"
#include "model/error.hpp"

namespace lockstep::apply {

namespace {

using postgres::Connection;

// Additive: a ledger of an earlier lockstep gets it when it is needed.
constexpr char kTable[] =
    "CREATE TABLE IF NOT EXISTS lockstep.ledger_hooks ("
    " migration text NOT NULL REFERENCES lockstep.ledger ON DELETE CASCADE,"
    " hook text NOT NULL,"
    " number integer NOT NULL,"
    " done timestamptz NOT NULL DEFAULT now(),"
    " PRIMARY KEY (migration, hook, number))";

[[noreturn]] void throw_failed(const std::string& name, std::size_t number, const std::string& why,
                               Retry retry) {
  throw Error({.code = "LS-T233",
               .exit = ExitCode::stopped,
               .what = fmt::format("hooks.{}: entry {} failed on the target", name, number),
               .why = why,
               .data = "the entry was rolled back as a whole; entries before it stay; changes wait "
                       "in the source",
               .todo = "correct it in the configuration and run again: it goes on with this entry",
               .retry = retry});
}

// Of the application's sessions, on tables that were there.
[[noreturn]] void throw_waits(const std::string& name, std::size_t number, const std::string& why) {
  throw Error(
      {.code = "LS-T233",
       .exit = ExitCode::stopped,
       .what = fmt::format("hooks.{}: entry {} waits for others on the target", name, number),
       .why = why,
       .data = "the entry was rolled back as a whole; entries before it stay; changes wait "
               "in the source",
       .todo = "nothing: it is tried again; pg_locks says who holds what it wants",
       .retry = Retry::new_session});
}

bool is_someone_elses_lock(const Error& error) {
  return error.foreign() == "55P03" || error.foreign() == "40P01" || error.foreign() == "40001";
}

bool is_done(Connection& connection, const std::string& migration, const std::string& name,
             std::size_t number) {
  return connection
             .query(
                 "SELECT 1 FROM lockstep.ledger_hooks WHERE migration = $1 AND hook = $2 AND "
                 "number = $3::integer",
                 {migration, name, std::to_string(number)})
             .rows() > 0;
}

// First, so that a session left behind that is in the middle of the same entry is waited for, and
// an entry that gives up its role needs no right on the ledger. False: it has been run meanwhile.
bool enter(Connection& session, const std::string& migration, const std::string& name,
           std::size_t number) {
  return session
             .query(
                 "INSERT INTO lockstep.ledger_hooks (migration, hook, number) VALUES ($1, $2, "
                 "$3::integer) ON CONFLICT DO NOTHING",
                 {migration, name, std::to_string(number)})
             .affected() > 0;
}

// By EXECUTE, where COMMIT and ROLLBACK are errors: an entry that ended this transaction would be
// half done, and nobody could tell whether the rest was.
void run_one(Connection& session, const std::string& migration, const std::string& schema,
             const std::string& name, std::size_t number, const std::string& statement) {
  session.exec("BEGIN; SET LOCAL statement_timeout TO 0");
  std::optional<Error> failure;
  try {
    if (!enter(session, migration, name, number)) return session.abort();
    session.exec(fmt::format("SET LOCAL search_path TO {}", postgres::quoted(schema)));
    session.query("SELECT pg_catalog.set_config('lockstep.hook', $1, true)", {statement});
    session.exec(
        "DO LANGUAGE plpgsql $$BEGIN EXECUTE pg_catalog.current_setting('lockstep.hook'); END$$");
  } catch (const Error& error) {
    failure = error;
  }
  if (failure) {
    session.abort();
    if (failure->facts().retry == Retry::new_session) throw Error(failure->facts());
    if (is_someone_elses_lock(*failure)) throw_waits(name, number, failure->facts().why);
    throw_failed(name, number, failure->facts().why, Retry::never);
  }
  if (session.commit() == postgres::CommitOutcome::committed) return;
  throw_failed(name, number, "its commit was refused, or its answer was lost", Retry::new_session);
}

}  // namespace

void run_hooks(Connection& connection, const std::string& migration, const std::string& schema,
               const std::string& name, const std::vector<std::string>& statements,
               const HookSession& session) {
  if (statements.empty()) return;
  connection.exec(kTable);
  for (std::size_t i = 0; i < statements.size(); ++i)
    if (!is_done(connection, migration, name, i + 1))
      run_one(session(), migration, schema, name, i + 1, statements[i]);
}

}  // namespace lockstep::apply
