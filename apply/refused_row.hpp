// What is told of a row that the server refused: its key, and no personal data. Pure.
#pragma once

#include "model/error.hpp"
#include "model/row_stream.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

/// A constraint (SQLSTATE 23...) refused this row: its table and key instead of the whole row that
/// the server quotes. The key is left out if a column of it is marked as personal data. Any other
/// refusal stays as it is.
[[nodiscard]] Error about_row(const Error& refusal, const TablePlan& plan, const EntryView& entry);

/// Without what the server quotes of rows, if a constraint refused one.
[[nodiscard]] Error without_values(const Error& refusal);

[[nodiscard]] bool has_personal_data(const TablePlan& plan);

}  // namespace lockstep::apply
