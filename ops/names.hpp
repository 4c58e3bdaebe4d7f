// What people type: source paths in their ORMs' forms, table globs, durations. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/clock.hpp"

namespace lockstep::ops {

/// A path from what people paste: a plain path, file:PATH (Prisma), sqlite:PATH, sqlite3:PATH
/// (Rails), sqlite:///relative and sqlite:////absolute, also with +driver (SQLAlchemy). A ?query is
/// dropped. Throws Error LS-C105 for what can only be a TARGET.
[[nodiscard]] std::string source_path(std::string_view text);

/// True if `text` can only be a TARGET: a PostgreSQL URL or conninfo.
[[nodiscard]] bool looks_like_target(std::string_view text);

/// The migration's name: the source file's stem.
[[nodiscard]] std::string migration_name(const std::string& path);

/// "a,b*,c" to its parts.
[[nodiscard]] std::vector<std::string> split_globs(std::string_view text);
/// Shell-style *, ?, [..]; case-sensitive, as SQLite stored the name.
[[nodiscard]] bool matches_any(const std::string& name, const std::vector<std::string>& globs);

/// Why a table is not carried unless it is asked for by its very name: another tool's bookkeeping
/// that is of this file, or of no use on PostgreSQL. Empty: it is a table like any other.
[[nodiscard]] std::string_view left_alone(const std::string& table,
                                          const std::vector<std::string>& asked_for);

/// A word as a shell takes it back: as it is if harmless, else in double or single quotes.
[[nodiscard]] std::string shell_word(std::string_view text);

/// "800ms", "5s", "10min", "2h", "7d"; a bare number is seconds.
[[nodiscard]] std::optional<Milliseconds> parse_duration(std::string_view text);

}  // namespace lockstep::ops
