#include "link/postgres/connection.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <exception>
#include <future>
#include <thread>

#include "link/postgres/connecting.hpp"
#include "link/postgres/errors.hpp"
#include "link/postgres/open_connections.hpp"
#include "model/failpoint.hpp"

namespace lockstep::postgres {

namespace {

constexpr int kServerVersionMin = 140000;
constexpr std::size_t kStatementBytesShown = 100;

/// One round trip. The first statement makes every later name and operator mean pg_catalog's;
/// unless pg_temp is named, it comes first, with what a pooled session of somebody else left there.
/// Settings that the server does not have yet are left out by the join. client_min_messages: with a
/// DBA's `error` the WARNING on COMMIT would not arrive. client_connection_check_interval can be
/// refused by servers that are not Linux. default_transaction_read_only: what is set for a role or
/// a database keeps applications out, not us; what is set for the whole server (often by a service
/// whose disk is nearly full) counts, also when it comes while the session is open. lockstep.guard:
/// what lockstep writes passes its own guard (apply/guard). lockstep.applier: it is not logged for
/// the way back either (switchover/reverse_log), or it would come back to where it was written
/// first. jit: where there are many tables or partitions, estimates alone let it compile each
/// batch's small statements anew, 20 ms for what takes 0.2 ms. tcp_keepalives: a session whose
/// machine is gone keeps the lock of the migration until the server notices (ops/migration_lock).
constexpr const char* kSessionSettings =
    R"(SET statement_timeout = 0; SET search_path = pg_catalog, pg_temp; SET lockstep.guard = off;
SET lockstep.applier = on;
SELECT pg_catalog.set_config(s.name, w.value, false)
FROM (VALUES ('lock_timeout', '0'), ('quote_all_identifiers', 'off'),
             ('idle_in_transaction_session_timeout', '0'), ('idle_session_timeout', '0'),
             ('transaction_timeout', '0'), ('default_transaction_isolation', 'read committed'),
             ('default_transaction_read_only', 'off'), ('default_transaction_deferrable', 'off'),
             ('row_security', 'off'), ('client_min_messages', 'warning'),
             ('standard_conforming_strings', 'on'), ('bytea_output', 'hex'),
             ('extra_float_digits', '1'), ('DateStyle', 'ISO, YMD'), ('IntervalStyle', 'postgres'),
             ('TimeZone', 'UTC'), ('transform_null_equals', 'off'), ('synchronous_commit', 'on'),
             ('client_connection_check_interval', '10s'), ('jit', 'off'),
             ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'),
             ('tcp_keepalives_count', '3')) AS w(name, value)
JOIN pg_catalog.pg_settings AS s USING (name)
WHERE (name <> 'synchronous_commit' OR s.setting IN ('off', 'local'))
  AND (name <> 'client_connection_check_interval' OR pg_catalog.version() ~ 'linux')
  AND (name <> 'default_transaction_read_only'
       OR s.source IN ('database', 'user', 'database user', 'client'));
SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.pg_backend_pid(),
  pg_catalog.current_setting('default_transaction_read_only')::boolean)";

void count_warning(void* counter, const pg_result* notice) {
  const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity != nullptr && std::string_view(severity) == "WARNING") ++*static_cast<int*>(counter);
}

[[noreturn]] void throw_in_recovery(const Dsn& dsn) {
  throw unusable_server(dsn, "it is in recovery: a standby takes no writes",
                        "connect to the primary; a running lockstep tries again by itself",
                        Retry::new_session);
}

/// The number that a server process tells at the start is its own; a pooler in between makes one
/// up. It may give each transaction another server process: settings, prepared statements and the
/// lock of the migration would be somebody else's.
void refuse_pooler(std::int64_t told, std::int64_t real, const Dsn& dsn) {
  if (told == real) return;
  throw Error({.code = "LS-T215",
               .exit = ExitCode::precondition,
               .what = fmt::format("a connection pooler answers at {}", dsn.shown()),
               .why = fmt::format("the session was announced as server process {}, but {} runs it: "
                                  "a pooler can give each transaction another session",
                                  told, real),
               .data = "nothing was touched",
               .todo = "connect to PostgreSQL itself, past the pooler (PgBouncer and its like), "
                       "whatever its pool mode; applications may go on using it"});
}

void check_server(const pg_conn* handle, const Dsn& dsn) {
  const auto status = [&](const char* name) {
    const char* value = PQparameterStatus(handle, name);
    return std::string(value != nullptr ? value : "unknown");
  };
  if (PQserverVersion(handle) < kServerVersionMin)
    throw unusable_server(dsn,
                          fmt::format("version {} (14 or newer needed)", status("server_version")),
                          "move the target to a newer PostgreSQL");
  if (const std::string encoding = status("server_encoding"); encoding != "UTF8")
    throw unusable_server(
        dsn,
        fmt::format("encoding {} (UTF8 needed): such a database cannot store "
                    "every text, or stores it garbled without an error",
                    encoding),
        "CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'");
  // Asked again in the session; but a standby may refuse even that (default_transaction_isolation
  // serializable).
  if (status("in_hot_standby") == "on") throw_in_recovery(dsn);
}

std::string shortened(const std::string& sql) {
  std::string shown = sql.substr(0, kStatementBytesShown);
  std::replace(shown.begin(), shown.end(), '\n', ' ');
  return "running " + shown + (sql.size() <= kStatementBytesShown ? "" : "...");
}

bool is_success(const pg_result* result) {
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

Result checked(const Connection& connection, pg_result* raw, const std::string& sql) {
  Result result(raw);
  if (!is_success(raw)) throw to_error(connection, raw, shortened(sql));
  return result;
}

}  // namespace

void FinishConnection::operator()(pg_conn* handle) const noexcept {
  forget_connection(handle);
  PQfinish(handle);
}

Connection::Connection(Handle handle, std::unique_ptr<Dsn> dsn, std::unique_ptr<int> warnings)
    : handle_(std::move(handle)), dsn_(std::move(dsn)), warnings_(std::move(warnings)) {
  PQsetNoticeReceiver(handle_.get(), count_warning, warnings_.get());
}

Connection Connection::open(const Dsn& dsn, std::string_view purpose, Milliseconds patience) {
  const std::vector<Dsn> candidates = single_hosts(dsn);
  for (std::size_t i = 0;; ++i) {
    const Dsn& one = candidates[i];
    try {
      Handle handle = connect(one, purpose, patience);
      check_server(handle.get(), one);
      Connection connection(std::move(handle), std::make_unique<Dsn>(dsn),
                            std::make_unique<int>(0));
      const Result answer = connection.exec(kSessionSettings);
      if (answer.boolean(0, 0)) throw_in_recovery(one);
      refuse_pooler(connection.backend_pid(), answer.integer(0, 1), one);
      if (answer.boolean(0, 2)) throw read_only_server(one);
      return connection;
    } catch (const Error&) {
      if (i + 1 == candidates.size()) throw;
    }
  }
}

Result Connection::exec(const std::string& sql) {
  return checked(*this, PQexec(handle_.get(), sql.c_str()), sql);
}

Result Connection::query(const std::string& sql,
                         std::span<const std::optional<std::string>> parameters) {
  std::vector<const char*> values;
  for (const auto& parameter : parameters) {
    if (parameter && parameter->find('\0') != std::string::npos)
      throw Error({.code = "LS-T211",
                   .exit = ExitCode::stopped,
                   .what = shortened(sql) + " failed",
                   .why = "a parameter contains a NUL character, which no PostgreSQL text can hold",
                   .data = "nothing was sent",
                   .todo = "correct the value in SQLite"});
    values.push_back(parameter ? parameter->c_str() : nullptr);
  }
  return checked(*this,
                 PQexecParams(handle_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                              values.data(), nullptr, nullptr, 0),
                 sql);
}

Result Connection::query(const std::string& sql,
                         std::initializer_list<std::optional<std::string>> parameters) {
  return query(sql, std::span(parameters.begin(), parameters.size()));
}

CommitOutcome Connection::commit() noexcept {
  const int warnings_before = *warnings_;
  if (PQsendQuery(handle_.get(), "COMMIT") != 1 || !commit_sent()) return CommitOutcome::in_doubt;
  const std::unique_ptr<pg_result, ClearResult> result(PQgetResult(handle_.get()));
  while (pg_result* more = PQgetResult(handle_.get())) PQclear(more);
  return commit_outcome(result.get(), warnings_before);
}

bool Connection::commit_sent() noexcept {
  try {
    LOCKSTEP_FAILPOINT("apply.commit_sent");
  } catch (const std::exception&) {
    sever();
    return false;
  }
  return true;
}

CommitOutcome Connection::commit_outcome(const pg_result* result,
                                         int warnings_before) const noexcept {
  if (PQresultStatus(result) == PGRES_COMMAND_OK) {
    // A failed transaction answers success too, with this tag.
    if (std::string_view(PQcmdStatus(const_cast<pg_result*>(result))) != "COMMIT")
      return CommitOutcome::aborted;
    return *warnings_ == warnings_before ? CommitOutcome::committed : CommitOutcome::in_doubt;
  }
  const char* code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string_view sqlstate = code != nullptr ? code : "";
  // Only a plain error of the server says for sure that nothing was kept.
  const bool server_said_no = PQstatus(handle_.get()) == CONNECTION_OK && !sqlstate.empty() &&
                              sqlstate != "40003" && !sqlstate.starts_with("08") &&
                              !sqlstate.starts_with("57P");
  return server_said_no ? CommitOutcome::aborted : CommitOutcome::in_doubt;
}

void Connection::abort() noexcept {
  const PGTransactionStatusType status = PQtransactionStatus(handle_.get());
  if (status == PQTRANS_IDLE || status == PQTRANS_UNKNOWN) return;
  PQclear(PQexec(handle_.get(), "ROLLBACK"));
}

void Connection::interrupt() noexcept {
  shutdown(descriptor(), SHUT_RDWR);
}

void Connection::sever() noexcept {
  interrupt();
  // libpq believes in a connection until it reads the end of it.
  while (alive() && PQconsumeInput(handle_.get()) == 1) {
  }
}

bool Connection::idle() const {
  return PQtransactionStatus(handle()) == PQTRANS_IDLE;
}

bool Connection::alive() const {
  return PQstatus(handle_.get()) == CONNECTION_OK;
}
int Connection::backend_pid() const {
  return PQbackendPID(handle_.get());
}
int Connection::server_version() const {
  return PQserverVersion(handle_.get());
}
int Connection::descriptor() const {
  return PQsocket(handle_.get());
}

// PQcancel() waits for the server's answer without a limit, so it waits in a thread of its own,
// which needs nothing of the connection.
void Connection::cancel() noexcept {
  constexpr Milliseconds kPatience{1'000}, kLook{20};
  struct FreeCancel {
    void operator()(PGcancel* cancel) const noexcept { PQfreeCancel(cancel); }
  };
  std::unique_ptr<PGcancel, FreeCancel> request(PQgetCancel(handle_.get()));
  if (!request || connections_ended()) return;
  try {
    std::promise<void> answered;
    const std::future<void> answer = answered.get_future();
    std::thread([request = std::move(request), answered = std::move(answered)]() mutable {
      std::array<char, 256> trouble{};
      PQcancel(request.get(), trouble.data(), static_cast<int>(trouble.size()));
      answered.set_value();
    }).detach();
    const Deadline deadline(kPatience);
    while (answer.wait_for(kLook) != std::future_status::ready && !deadline.passed() &&
           !connections_ended()) {
    }
  } catch (const std::exception&) {  // no thread: the statement ends by itself
    return;
  }
}

}  // namespace lockstep::postgres
