// Defaults of NOT NULL columns, as a probe needs them: OR REPLACE puts the default in place of a
// NULL after the probe has run. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/shape.hpp"

namespace lockstep::capture {

/// SQL of a constant default; empty: there is none, or it is NULL. Nothing for expressions, whose
/// value may differ between probe and row.
[[nodiscard]] std::optional<std::string> constant_default(std::string_view default_sql);

/// The same with the affinity and collation of its column, as an expression over the column would
/// see it. Nothing where a CAST would not give the value that the column stores.
[[nodiscard]] std::optional<std::string> typed_default(const Column& column);

}  // namespace lockstep::capture
