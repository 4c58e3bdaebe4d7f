// The last look at the source's schema, kept in the source: a lockstep that starts knows by it what
// happened while none ran.
#pragma once

#include <string>
#include <string_view>

#include "capture/schema_watch.hpp"
#include "link/sqlite/database.hpp"

namespace lockstep::capture {

/// As capture/README.md has it. Pure.
[[nodiscard]] std::string encode_look(const SchemaLook& look);
/// Nobody has looked yet (version -1), if the text is none of encode_look(). Pure.
[[nodiscard]] SchemaLook decode_look(std::string_view text);

/// What the source has; version -1: nothing, or of a lockstep that kept it otherwise.
[[nodiscard]] SchemaLook recorded_look(sqlite::Database& database);

/// In the caller's transaction. Nothing is recorded while a table that is followed is in question
/// or a doubt has not reached apply: who starts next has to find that anew. True if it was
/// recorded.
bool record_look(sqlite::Database& database, const SchemaWatch& watch);
/// The same in a transaction of its own, if it is not there already. `database` is read_write.
bool keep_look(sqlite::Database& database, const SchemaWatch& watch);

}  // namespace lockstep::capture
