// Which objects of the application's file are lockstep's own. Names alone do not tell: the
// application may call its tables as it likes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "link/sqlite/database.hpp"

namespace lockstep::sqlite {

enum class Own {
  no,
  capture,  ///< change table, meta, tables, and the triggers that log changes
  fence,    ///< of a cutover: the two tables of the switch, and the triggers that refuse writes
};

/// What an object of sqlite_master is, by type, name and text; true for every version of lockstep.
/// A trigger that somebody gave another text is none of ours here. Pure.
[[nodiscard]] Own own_object(std::string_view type, std::string_view name, std::string_view sql);

/// What a trigger of such a name would be, whatever it does. Pure.
[[nodiscard]] Own own_trigger_name(std::string_view name);

/// What a table of such a name would be, whatever is in it. Pure.
[[nodiscard]] bool is_own_table_name(std::string_view name);

/// True if a trigger of that text names a table of lockstep's: each write that fires it would fail
/// without the table. Pure.
[[nodiscard]] bool needs_own_tables(std::string_view sql);

/// True if the file has the table `name`, and it is ours.
[[nodiscard]] bool has_own_table(Database& database, std::string_view name);

/// Objects called _lockstep_* (in whatever case) that are not ours, as "table _lockstep_notes".
[[nodiscard]] std::vector<std::string> objects_named_like_ours(Database& database);

/// True for names that are kept for what lockstep makes. Pure.
[[nodiscard]] bool is_named_like_ours(std::string_view name);

/// LS-S336 if there are any: nothing could tell them from lockstep's own later.
void refuse_names_like_ours(Database& database);

}  // namespace lockstep::sqlite
