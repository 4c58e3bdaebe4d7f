// The cells of both engines as values that can be compared, and as bytes that can be hashed.
//
// Shares no conversion with capture and apply (numeric's way back is used here only): a mistake in
// theirs must show here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/flow.hpp"
#include "model/shape.hpp"
#include "model/value.hpp"

namespace lockstep::verify {

/// Begins an instant that only PostgreSQL can spell, as it is shown.
inline constexpr std::string_view kNoDate = "day ";

/// Makes of a value as it is carried (after the rules) the one that the target has to show: where
/// the type keeps only what a text means (an instant, a UUID, jsonb), the text is spelled in the
/// one way of canonical values; one that has no such meaning stays as it is and equals nothing. In
/// a key, one that does not fit its column (the row waits in quarantine) is marked: it is no other
/// row's key, however that is spelled. Where numeric holds reals alone, a number is a
/// real.
void respell(Value& value, const TablePlan& plan, std::size_t column);

/// True if respell() may change the column's texts.
[[nodiscard]] bool is_respelled(const TablePlan& plan, std::size_t column);

/// What PostgreSQL holds: a field of shown_column() in binary format, nothing for NULL. Bytes that
/// are none of the column's type come as a blob and equal nothing.
void read_target(Value& out, const std::optional<std::string_view>& field, const TablePlan& plan,
                 std::size_t column);

/// SQL of a column of the target as read_target() reads it. A table that was there has types of its
/// own: what they hold comes back in those that it went in.
[[nodiscard]] std::string shown_column(const TablePlan& plan, std::size_t column);

/// What a row of the target has in the columns that rules add, one per AddedColumn: nothing where
/// it is the rule's constant, else the value as text.
using WrongConstants = std::vector<std::optional<std::string>>;

/// SQL of such a column as WrongConstants has it.
[[nodiscard]] std::string shown_constant(const TablePlan& plan, std::size_t added);

/// A row of target_columns(): `row` has one value per column of the plan. Returns what the columns
/// behind them have.
[[nodiscard]] WrongConstants read_target_fields(
    std::vector<Value>& row, const std::vector<std::optional<std::string_view>>& fields,
    const TablePlan& plan);

/// Appends the canonical bytes of a value (verify/README.md): two values are the same if and only
/// if these are.
void append_canonical(std::string& out, const ValueView& value);

/// XXH3-64 of the canonical bytes of all values of a row. `scratch` keeps its memory.
[[nodiscard]] std::uint64_t row_hash(const std::vector<Value>& row, std::string& scratch);

/// The same of a row of the target: one whose constants are not the rules' equals no row.
[[nodiscard]] std::uint64_t target_hash(const std::vector<Value>& row, const WrongConstants& wrong,
                                        std::string& scratch);

/// The same of one value.
[[nodiscard]] std::uint64_t value_hash(const Value& value);

/// In place of a value that nobody may see: xxh3:1f2e3d4c5b6a7980 (text, 12 characters). The same
/// value looks the same.
[[nodiscard]] std::string masked(const ValueView& value);
/// A value of a column for people: described, or masked if it is personal data.
[[nodiscard]] std::string shown_value(const TablePlan& plan, std::size_t column,
                                      const ValueView& value);

/// "v is 1 on the source and 2 on the target"; of long values also where they part.
[[nodiscard]] std::string both_values(const TablePlan& plan, std::size_t column,
                                      const Value& sqlite, const Value& postgres,
                                      const SideNames& names);
/// Of a long value of SQLite's, at most 4 KiB by which the other side finds where its own parts
/// from it: the bytes, or hashes of 512 pieces. Empty for short values and personal data.
[[nodiscard]] std::string outline(const TablePlan& plan, std::size_t column, const Value& value);
/// " (1300 and 1301 bytes, first difference at byte 1200)", of a larger one "in bytes .. to ..";
/// empty where the outline is none, or of another class.
[[nodiscard]] std::string where_apart(std::string_view outline, const Value& postgres);
/// "region is 'US' on the target, and 'EU' by its rule", one for each.
[[nodiscard]] std::vector<std::string> wrong_constants(const TablePlan& plan,
                                                       const WrongConstants& wrong);

}  // namespace lockstep::verify
