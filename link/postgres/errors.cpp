#include "link/postgres/errors.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <cstdlib>

namespace lockstep::postgres {

namespace {

constexpr std::size_t kSqlstateBytes = 5;
constexpr std::string_view kSqlstateMark = ":  ";  // in libpq's verbose texts

bool is_sqlstate(std::string_view text) {
  return text.size() == kSqlstateBytes && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
         });
}

/// The last SQLSTATE in a verbose text of libpq ("FATAL:  28P01: ..."): with several addresses, the
/// last attempt's.
std::string sqlstate_in(std::string_view text) {
  for (std::size_t at = text.rfind(kSqlstateMark); at != std::string_view::npos;
       at = text.rfind(kSqlstateMark, at - 1)) {
    const std::string_view rest = text.substr(at + kSqlstateMark.size());
    if (is_sqlstate(rest.substr(0, kSqlstateBytes)) && rest.substr(kSqlstateBytes, 2) == ": ")
      return std::string(rest.substr(0, kSqlstateBytes));
    if (at == 0) break;
  }
  return {};
}

/// One line, without the places in the server's source that a verbose text ends with.
std::string one_line(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.empty() || line.starts_with("LOCATION:")) continue;
    if (!out.empty()) out += "; ";
    out += line;
  }
  return out;
}

std::string_view reach_hint(std::string_view text) {
  const auto says = [&](std::string_view part) {
    return text.find(part) != std::string_view::npos;
  };
  if (says("onnection refused"))
    return " (nothing listens there: is the server, the proxy or the "
           "container up, and its port published?)";
  if (says("translate host name")) return " (the name is not found: DNS)";
  if (says("No such file")) return " (wrong directory of the socket, or the server is not up)";
  if (says("timeout")) return " (a firewall or a wrong address swallows the packets)";
  return "";
}

/// Whether TLS is what failed: nobody was there whom the connection string trusts. libpq has no
/// code for it; like a hint it only gives the trouble a better name.
bool identity_unproven(std::string_view text) {
  for (const std::string_view part : {"SSL error", "certificate", "server does not support SSL",
                                      "channel binding", "unencrypted data after SSL"})
    if (text.find(part) != std::string_view::npos) return true;
  return false;
}

std::string password_source(const Dsn& dsn) {
  if (!dsn.parameter("password").empty()) return "the connection string";
  if (std::getenv("PGPASSWORD") != nullptr) return "the environment variable PGPASSWORD";
  return "the service file or the password file (~/.pgpass), if there is one";
}

/// Code, exit, retry, data and todo by SQLSTATE; `what` and `why` are the caller's.
ErrorFacts facts_of(const std::string& sqlstate, bool dead) {
  ErrorFacts facts{.code = "LS-T211",
                   .exit = ExitCode::stopped,
                   .data = "the open transaction was not committed",
                   .todo = "correct the cause, then start again",
                   .foreign = sqlstate,
                   .retry = Retry::never};
  const auto is = [&](std::string_view wanted) { return sqlstate == wanted; };
  if (is("40001") || is("40P01") || is("55P03") || is("57014")) {
    facts.todo = "nothing: it is tried again";
    facts.retry = dead ? Retry::new_session : Retry::same_session;
  } else if (sqlstate.starts_with("53")) {
    facts.code = "LS-T209";
    facts.data = "the open transaction was rolled back; capture continues";
    facts.todo = "free disk or memory, or raise max_connections; then nothing: it is tried again";
    facts.retry = Retry::new_session;
  } else if (is("42501")) {
    facts.code = "LS-T204";
    facts.exit = ExitCode::precondition;
    facts.todo =
        "as the owner of the database: GRANT CREATE ON DATABASE ... TO the role (for schema "
        "lockstep) and GRANT USAGE, CREATE ON SCHEMA ... TO it";
  } else if (is("23505")) {
    facts.code = "LS-T210";
    facts.todo = "compare the row on both sides: lockstep verify";
  } else if (is("54000")) {  // an index entry over 2,704 bytes, mostly
    facts.todo =
        "make the value shorter in the application; or drop the index that cannot hold it, on the "
        "target (and not the key): lockstep goes on without it. Then run again";
  } else if (dead || sqlstate.starts_with("08") || sqlstate.starts_with("57P") || is("25006")) {
    facts.code = "LS-T201";
    facts.exit = ExitCode::unreachable;
    facts.data = "safe: whether the last transaction was committed is read back first";
    facts.todo = "nothing: a new connection is tried";
    facts.retry = Retry::new_session;
  }
  return facts;
}

std::string_view field(const pg_result* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text != nullptr ? text : "";
}

}  // namespace

Error connect_error(const Dsn& dsn, std::string_view libpq_text, bool refused_for_password) {
  const std::string sqlstate = sqlstate_in(libpq_text);
  // ALLOW_CONNECTIONS false: somebody works on the database, and will open it again.
  const bool closed = sqlstate == "55000";
  ErrorFacts facts = facts_of(sqlstate, sqlstate.empty() || closed);
  facts.what = fmt::format("cannot connect to PostgreSQL at {}", dsn.shown());
  facts.why = redacted(one_line(libpq_text), dsn);
  if (facts.code == "LS-T201") {
    facts.what = fmt::format("cannot reach PostgreSQL at {}", dsn.shown());
    facts.why +=
        closed ? " (ALTER DATABASE ... ALLOW_CONNECTIONS true opens it)" : reach_hint(libpq_text);
    facts.data = "safe: capture continues into the change table";
    facts.todo =
        "start the server or correct the address; a running lockstep tries again by itself";
  }
  if (sqlstate.empty() && !refused_for_password && identity_unproven(libpq_text)) {
    facts.code = "LS-T207";
    facts.what = fmt::format("the server at {} did not prove who it is", dsn.shown());
    facts.todo =
        "correct its certificate, sslrootcert or the host name; sslmode and channel_binding in the "
        "connection string say what is asked for; a running lockstep tries again by itself";
  }
  if (sqlstate == "28P01" || sqlstate == "28000" || refused_for_password) {
    facts.code = "LS-T202";
    facts.exit = ExitCode::unreachable;
    facts.retry = Retry::never;
    facts.what = fmt::format("PostgreSQL refused the login: {}", dsn.shown());
    if (sqlstate != "28000")
      facts.why += fmt::format(" (the password came from {})", password_source(dsn));
    facts.data = "nothing was touched";
    facts.todo = "try the same with psql; then correct the password, the role or pg_hba.conf";
  } else if (sqlstate == "3D000") {
    facts.code = "LS-T203";
    facts.exit = ExitCode::unreachable;
    facts.what = fmt::format("the database does not exist: {}", dsn.shown());
    facts.data = "nothing was touched";
    facts.todo =
        "CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8', or correct the name "
        "(psql -l lists them)";
  }
  return Error(std::move(facts));
}

Error unusable_server(const Dsn& dsn, std::string why, std::string todo, Retry retry) {
  return Error({.code = "LS-T205",
                .exit = ExitCode::precondition,
                .what = fmt::format("the target server is not usable: {}", dsn.shown()),
                .why = std::move(why),
                .data = "nothing was touched",
                .todo = std::move(todo),
                .retry = retry});
}

Error read_only_server(const Dsn& dsn) {
  return Error({.code = "LS-T217",
                .exit = ExitCode::unreachable,
                .what = fmt::format("the target server is read-only: {}", dsn.shown()),
                .why = "default_transaction_read_only is on for the whole server; services set it "
                       "when a disk is nearly full",
                .data = "safe: nothing is applied, changes wait in the source's change table",
                .todo = "find out who set it and why; a running lockstep goes on by itself once it "
                        "is off",
                .foreign = "25006",
                .retry = Retry::new_session});
}

Error malformed_copy(const Dsn& dsn, std::string_view why) {
  return Error({.code = "LS-T211",
                .exit = ExitCode::stopped,
                .what = fmt::format("rows from {} cannot be read", dsn.shown()),
                .why = fmt::format("the binary stream of COPY is malformed: {}", why),
                .data = "nothing was changed",
                .todo = "report it",
                .retry = Retry::never});
}

namespace {

// Our sessions say row_security = off: the server then refuses what a policy would hide rows of. It
// has the SQLSTATE of a missing privilege, and no GRANT helps.
void name_row_security(ErrorFacts& facts, std::string_view refused_by) {
  if (facts.foreign != "42501" || refused_by != "check_enable_rls") return;
  facts.code = "LS-T266";
  facts.todo =
      "as the table's owner: ALTER TABLE ... NO FORCE ROW LEVEL SECURITY, or DISABLE ROW LEVEL "
      "SECURITY if lockstep's role is not the owner; or as a superuser ALTER ROLE ... BYPASSRLS "
      "for that role; then start again";
}

}  // namespace

Error to_error(const Connection& connection, const pg_result* result, std::string_view doing) {
  const Dsn& dsn = connection.dsn();
  const std::string sqlstate(field(result, PG_DIAG_SQLSTATE));
  // Without an SQLSTATE it is libpq that speaks, of a connection that is lost: it may notice only
  // with the next statement that it is.
  const bool dead = !connection.alive() || sqlstate.empty();
  if (sqlstate == "25006" && !dead) return read_only_server(dsn);
  ErrorFacts facts = facts_of(sqlstate, dead);
  name_row_security(facts, field(result, PG_DIAG_SOURCE_FUNCTION));
  facts.what = redacted(fmt::format("{} failed on {}", doing, dsn.shown()), dsn);
  std::string why = sqlstate;
  if (const auto text = field(result, PG_DIAG_MESSAGE_PRIMARY); !text.empty())
    why += fmt::format("{}{}", why.empty() ? "" : " ", text);
  if (const auto detail = field(result, PG_DIAG_MESSAGE_DETAIL); !detail.empty())
    why += fmt::format("; {}", detail);
  if (const auto hint = field(result, PG_DIAG_MESSAGE_HINT); !hint.empty())
    why += fmt::format("; {}", hint);
  if (why.empty()) why = one_line(PQerrorMessage(connection.handle()));
  facts.why = redacted(why, dsn);
  return Error(std::move(facts));
}

}  // namespace lockstep::postgres
