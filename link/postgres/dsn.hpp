// What people paste as TARGET, turned into what libpq understands. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockstep::postgres {

/// A connection string for libpq, with the secret kept apart from everything that may be shown.
struct Dsn {
  std::vector<std::pair<std::string, std::string>>
      parameters;      ///< libpq keywords in order; password included
  std::string schema;  ///< from Prisma's ?schema=; empty if not given
  std::vector<std::string>
      notes;  ///< what was dropped, e.g. "pool=5 belongs to your ORM; libpq does not know it"

  /// "db.internal:5432/shop as owner", or "service=shop". Never a password, nor anything from
  /// `options`.
  [[nodiscard]] std::string shown() const;
  /// conninfo text without password (and sslpassword), for storing; libpq can parse it again.
  [[nodiscard]] std::string without_secrets() const;
  [[nodiscard]] std::string parameter(std::string_view keyword) const;  ///< empty if absent
};

/// Takes libpq URLs (postgresql://, postgres://) and conninfo ("host=... dbname=...",
/// "service=shop"), and the forms of ORMs: a `+driver` in the scheme is dropped
/// (postgresql+psycopg2://, +asyncpg, +pg8000 ...), `postgis://` likewise; known ORM parameters
/// (pool, pool_size, pool_timeout, max_overflow, pool_pre_ping, connection_limit,
/// statement_cache_size, prepared_statements, sslaccept, pgbouncer, schema, socket_timeout,
/// encoding, adapter, ...) are dropped with a note; `ssl=true` and Prisma's `sslaccept=strict`
/// become sslmode; ?host=/cloudsql/... is kept. Throws Error (exit 2, text redacted, no part of a
/// password ever in it): LS-C101 when it cannot be parsed or is "not what it looks like" (an
/// unescaped '@' or '/' or bad '%' in the password: say so), LS-C102 for a parameter that neither
/// libpq nor a known ORM has (name it), LS-C104 for a socket path over 107 bytes.
[[nodiscard]] Dsn parse_dsn(std::string_view text);

/// `text` with every occurrence of the DSN's secrets (password; also percent-encoded) and of
/// anything that looks like `password=...` or `://user:secret@` replaced by ****. Every libpq text
/// passes through here before it is shown.
[[nodiscard]] std::string redacted(std::string_view text, const Dsn& dsn);

}  // namespace lockstep::postgres
