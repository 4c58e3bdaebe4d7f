#include "link/postgres/dsn.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>

#include "link/postgres/dsn_syntax.hpp"
#include "link/postgres/names.hpp"
#include "model/error.hpp"

namespace lockstep::postgres {

namespace {

constexpr std::size_t kSocketPathBytesMax = 107;  // sockaddr_un holds 108 with the final NUL
constexpr std::size_t kShownValueBytesMax = 20;

/// Parameters of SQLAlchemy, Django, Rails, Prisma, asyncpg, pgx, lib/pq, node-postgres and JDBC,
/// in lower case.
constexpr std::string_view kOrmParameters[] = {
    "adapter",
    "advisory_locks",
    "applicationname",
    "async_fallback",
    "autosave",
    "binary_parameters",
    "binarytransfer",
    "checkout_timeout",
    "command_timeout",
    "conn_health_checks",
    "conn_max_age",
    "connection_limit",
    "currentschema",
    "default_query_exec_mode",
    "description_cache_capacity",
    "encoding",
    "idle_timeout",
    "idletimeout",
    "insert_returning",
    "logintimeout",
    "max",
    "max_cacheable_statement_size",
    "max_cached_statement_lifetime",
    "max_inactive_connection_lifetime",
    "max_overflow",
    "max_queries",
    "max_size",
    "maximum_pool_size",
    "min_messages",
    "min_size",
    "pgbouncer",
    "pool",
    "pool_health_check_period",
    "pool_max_conn_idle_time",
    "pool_max_conn_lifetime",
    "pool_max_conn_lifetime_jitter",
    "pool_max_conns",
    "pool_min_conns",
    "pool_pre_ping",
    "pool_recycle",
    "pool_reset_on_return",
    "pool_size",
    "pool_timeout",
    "pool_use_lifo",
    "poolclass",
    "poolsize",
    "prefer_simple_protocol",
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "prepared_statements",
    "preparethreshold",
    "query_timeout",
    "reaping_frequency",
    "rewritebatchedinserts",
    "schema_search_path",
    "search_path",
    "server_settings",
    "socket_timeout",
    "sockettimeout",
    "ssl_require",
    "sslfactory",
    "sslidentity",
    "statement_cache_capacity",
    "statement_cache_size",
    "statement_timeout",
    "stringtype",
    "targetservertype",
    "tcpkeepalive",
    "timeout",
    "timezone",
    "variables",
};

constexpr std::string_view kSslModes[] = {"disable", "allow",     "prefer",
                                          "require", "verify-ca", "verify-full"};

struct FreeOptions {
  void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};
using Options = std::unique_ptr<PQconninfoOption, FreeOptions>;

template <class Range>
bool among(const Range& range, std::string_view text) {
  return std::find(std::begin(range), std::end(range), text) != std::end(range);
}

bool is_libpq_keyword(const std::string& keyword) {
  static const std::vector<std::string> keywords = [] {
    std::vector<std::string> found;
    // Parsing nothing lists the keywords and, unlike PQconndefaults, looks at no file and no
    // environment.
    const Options options(PQconninfoParse("", nullptr));
    check(options != nullptr, "libpq lists its keywords");
    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option)
      found.emplace_back(option->keyword);
    return found;
  }();
  return among(keywords, keyword);
}

void set_parameter(Dsn& dsn, const std::string& keyword, std::string value) {
  for (auto& [name, old] : dsn.parameters) {
    if (name != keyword) continue;
    old = std::move(value);
    return;
  }
  dsn.parameters.emplace_back(keyword, std::move(value));
}

[[noreturn]] void throw_unknown_parameter(const GivenParameter& given) {
  const bool shown = given.may_be_named && is_plain_word(given.name, 40);
  throw Error({.code = "LS-C102",
               .exit = ExitCode::usage,
               .what = shown ? fmt::format("unknown connection parameter \"{}\"", given.name)
                             : "unknown connection parameter",
               .why = shown ? "neither libpq nor a known ORM has it; the parameters of ORMs (pool, "
                              "schema, connection_limit ...) are dropped with a note"
                            : "it is not named here because it could be a part of the password: "
                              "\"&\", \"=\", \"?\" or a blank in it must be encoded or quoted",
               .data = "nothing was touched",
               .todo = "remove it from the connection string, or correct it"});
}

/// What an ORM's parameter means for us, if it is one.
bool take_orm_parameter(Dsn& dsn, const GivenParameter& given, const std::string& name,
                        std::optional<std::string>& ssl_mode, bool& strict) {
  const std::string value = lower_case(given.value);
  if (name == "schema") {
    dsn.schema = given.value;
    dsn.notes.emplace_back("schema= is Prisma's; it names the schema on the target");
  } else if (name == "ssl") {
    const bool off = value == "false" || value == "0" || value == "off";
    if (!off) ssl_mode = among(kSslModes, value) ? value : "require";
    dsn.notes.push_back(off ? "ssl= was dropped: it asks for nothing that libpq must be told"
                            : fmt::format("ssl= became sslmode={}", *ssl_mode));
  } else if (name == "sslaccept") {
    strict = value == "strict";
    dsn.notes.emplace_back(strict ? "sslaccept=strict became sslmode=verify-full"
                                  : "sslaccept= belongs to your ORM; libpq does not know it");
  } else if (among(kOrmParameters, name)) {
    const bool shown = given.may_be_named && is_plain_word(given.value, kShownValueBytesMax);
    dsn.notes.push_back(fmt::format("{}={} belongs to your ORM; libpq does not know it", name,
                                    shown ? given.value : ""));
  } else {
    return false;
  }
  return true;
}

void take_parameters(Dsn& dsn, const std::vector<GivenParameter>& all) {
  std::optional<std::string> ssl_mode;
  bool strict = false;
  for (const GivenParameter& given : all) {
    if (is_libpq_keyword(given.name)) {
      if (!is_secret_keyword(given.name) || !given.value.empty())
        set_parameter(dsn, given.name, given.value);
      continue;
    }
    if (!take_orm_parameter(dsn, given, lower_case(given.name), ssl_mode, strict))
      throw_unknown_parameter(given);
  }
  if (dsn.parameter("sslmode") == "no-verify") {
    set_parameter(dsn, "sslmode", "require");
    dsn.notes.emplace_back("sslmode=no-verify is node-postgres'; it became sslmode=require");
  }
  if (strict)
    set_parameter(dsn, "sslmode", "verify-full");
  else if (ssl_mode && dsn.parameter("sslmode").empty())
    set_parameter(dsn, "sslmode", *ssl_mode);
}

std::vector<std::string_view> split_list(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t comma = text.find(',');
    parts.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

void check_host(std::string_view host, std::string_view port) {
  if (host.empty()) return;
  if (host.front() == '/' || host.front() == '@') {
    const std::size_t bytes =
        host.size() + std::string_view("/.s.PGSQL.").size() + (port.empty() ? 4 : port.size());
    if (bytes <= kSocketPathBytesMax) return;
    throw Error(
        {.code = "LS-C104",
         .exit = ExitCode::usage,
         .what = "the path of the Unix socket is too long",
         .why = fmt::format("it has {} bytes, the system allows {}", bytes, kSocketPathBytesMax),
         .data = "nothing was touched",
         .todo = "make a symbolic link with a short path to the socket's directory and "
                 "give that as host, or connect over TCP"});
  }
  const bool odd = std::any_of(host.begin(), host.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x80 && !is_letter_or_digit(c) &&
           std::string_view(".-_:%").find(c) == std::string_view::npos;
  });
  if (odd) throw_bad_dsn("the host holds characters that no host name has", kEncodeAdvice);
  if (std::count(host.begin(), host.end(), ':') == 1)
    throw_bad_dsn("the host has a \":\" in it", "write the port as a parameter of its own: port=");
}

void check_values(const Dsn& dsn) {
  const std::string host_list = dsn.parameter("host");
  const std::string port_list = dsn.parameter("port");
  const auto hosts = split_list(host_list);
  const auto ports = split_list(port_list);
  for (const std::string_view port : ports) {
    int number = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    const bool whole = error == std::errc{} && end == port.data() + port.size();
    if (!port.empty() && (!whole || number < 1 || number > 65535))
      throw_bad_dsn("what stands in the place of the port is not a number from 1 to 65535",
                    kEncodeAdvice);
  }
  if (ports.size() != 1 && ports.size() != hosts.size())
    throw_bad_dsn(fmt::format("{} ports for {} hosts", ports.size(), hosts.size()),
                  "give one port for all hosts, or one for each");
  for (std::size_t i = 0; i < hosts.size(); ++i)
    check_host(hosts[i], ports.size() == 1 ? ports[0] : ports[i]);
  const std::string mode = dsn.parameter("sslmode");
  if (!mode.empty() && !among(kSslModes, mode))
    throw_bad_dsn("sslmode has a value that libpq does not know",
                  "give one of disable, allow, prefer, require, verify-ca, verify-full");
  if (const std::string problem = relation_name_problem(dsn.schema);
      !dsn.schema.empty() && !problem.empty())
    throw_bad_dsn("the schema cannot be a name on PostgreSQL: " + problem, "correct schema=");
}

}  // namespace

Dsn parse_dsn(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  text = text.substr(0, text.find_last_not_of(kBlanks) + 1);
  if (text.empty())
    throw_bad_dsn("it is empty", "give a URL, postgresql://user@host/database, or key=value pairs");
  if (text.find('\0') != std::string_view::npos)
    throw_bad_dsn("it contains a NUL character", "remove it");
  Dsn dsn;
  if (lower_case(text.substr(0, 5)) == "jdbc:") {
    text.remove_prefix(5);
    dsn.notes.emplace_back("\"jdbc:\" was dropped");
  }
  if (is_url(text))
    take_parameters(dsn, split_url(text, dsn.notes));
  else
    take_parameters(dsn, split_conninfo(text));
  check_values(dsn);
  return dsn;
}

}  // namespace lockstep::postgres
