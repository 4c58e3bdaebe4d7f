#include "link/postgres/connecting.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <future>
#include <string>
#include <thread>
#include <utility>

#include "link/postgres/errors.hpp"
#include "link/postgres/open_connections.hpp"
#include "link/postgres/session_name.hpp"

namespace lockstep::postgres {

namespace {

constexpr Milliseconds kLookAtTheEnd{20};

using Parameters = std::vector<std::pair<std::string, std::string>>;

/// A peer that vanished without a word is noticed within about a minute, also while waiting for the
/// answer to COMMIT.
constexpr std::array<std::pair<const char*, const char*>, 5> kDefaults = {{
    {"gssencmode", "disable"},  // start-up time, and a handshake before TLS that nobody asked for
    {"keepalives_idle", "30"},
    {"keepalives_interval", "10"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "60000"},
}};

/// The item at `index` of a comma list; a single item counts for every index.
std::string item_of_list(const std::string& list, std::size_t index) {
  std::size_t start = 0;
  std::size_t comma = list.find(',');
  for (std::size_t i = 0; i < index && comma != std::string::npos; ++i) {
    start = comma + 1;
    comma = list.find(',', start);
  }
  return list.substr(start, comma == std::string::npos ? comma : comma - start);
}

/// libpq itself looks at connect_timeout in blocking connects only. 0 and less: no wish.
Milliseconds patience_of(const Dsn& dsn, Milliseconds otherwise) {
  const std::string text = dsn.parameter("connect_timeout");
  int seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size() || seconds <= 0) return otherwise;
  return std::chrono::seconds{seconds};
}

Parameters parameters_of(const Dsn& dsn, std::string_view purpose) {
  Parameters wanted;
  for (const auto& [keyword, value] : dsn.parameters)
    if (keyword != "client_encoding" && keyword != "application_name")
      wanted.emplace_back(keyword, value);
  wanted.emplace_back("client_encoding", "UTF8");
  wanted.emplace_back("application_name", our_session_name(purpose));
  for (const auto& [keyword, value] : kDefaults)
    if (dsn.parameter(keyword).empty()) wanted.emplace_back(keyword, value);
  return wanted;
}

Handle start(const Parameters& parameters) {
  std::vector<const char*> keywords, values;
  for (const auto& [keyword, value] : parameters) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  Handle handle(PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/0));
  check(handle != nullptr, "there is memory for a connection");
  return handle;
}

Error out_of_time(const Dsn& dsn, Milliseconds patience) {
  return connect_error(dsn, fmt::format("timeout: no answer within {} ms", patience.count()),
                       false);
}

Error being_stopped(const Dsn& dsn) {
  return connect_error(dsn, "lockstep is being stopped", false);
}

/// libpq looks the host's name up in here, and a resolver that does not answer has no limit: a
/// thread of its own waits for it, which nobody waits for when the time is over.
Handle start_in_time(const Dsn& dsn, std::string_view purpose, Milliseconds patience,
                     const Deadline& deadline) {
  std::packaged_task<Handle()> task(
      [parameters = parameters_of(dsn, purpose)] { return start(parameters); });
  std::future<Handle> started = task.get_future();
  std::thread(std::move(task)).detach();
  while (started.wait_for(std::min(kLookAtTheEnd, deadline.left())) != std::future_status::ready) {
    if (connections_ended()) throw being_stopped(dsn);
    if (deadline.passed()) throw out_of_time(dsn, patience);
  }
  Handle handle = started.get();
  remember_connection(handle.get());
  return handle;
}

/// Waits for the handshake. Verbose texts carry the SQLSTATE, which libpq does not tell otherwise,
/// and which does not depend on the server's language.
void finish(pg_conn* handle, const Dsn& dsn, Milliseconds patience, const Deadline& deadline) {
  PQsetErrorVerbosity(handle, PQERRORS_VERBOSE);
  PostgresPollingStatusType status = PGRES_POLLING_WRITING;
  while (PQstatus(handle) != CONNECTION_BAD && status != PGRES_POLLING_OK) {
    pollfd ready{PQsocket(handle),
                 static_cast<short>(status == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    const int found = poll(&ready, 1, static_cast<int>(deadline.left().count()));
    if (deadline.passed() && found <= 0) throw out_of_time(dsn, patience);
    // libpq would go on to the next address of the host.
    if (connections_ended()) throw being_stopped(dsn);
    if (found <= 0) continue;
    status = PQconnectPoll(handle);
    if (status == PGRES_POLLING_FAILED) break;
  }
  if (PQstatus(handle) != CONNECTION_OK)
    throw connect_error(dsn, PQerrorMessage(handle), PQconnectionNeedsPassword(handle) != 0);
  PQsetErrorVerbosity(handle, PQERRORS_DEFAULT);
}

}  // namespace

std::vector<Dsn> single_hosts(const Dsn& dsn) {
  const std::string hosts = dsn.parameter(dsn.parameter("host").empty() ? "hostaddr" : "host");
  const auto count = static_cast<std::size_t>(std::count(hosts.begin(), hosts.end(), ',')) + 1;
  std::vector<Dsn> out(count, dsn);
  for (std::size_t i = 0; i < count; ++i)
    for (auto& [keyword, value] : out[i].parameters)
      if (keyword == "host" || keyword == "hostaddr" || keyword == "port")
        value = item_of_list(value, i);
  return out;
}

Handle connect(const Dsn& dsn, std::string_view purpose, Milliseconds patience) {
  const Milliseconds allowed = patience_of(dsn, patience);
  const Deadline deadline(allowed);
  Handle handle = start_in_time(dsn, purpose, allowed, deadline);
  finish(handle.get(), dsn, allowed, deadline);
  return handle;
}

}  // namespace lockstep::postgres
