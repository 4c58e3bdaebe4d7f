// Keys as both sides show them, and what they are on the source.
//
// A text in a key that does not fit its column (its row waits in quarantine, or should) is marked
// where the type keeps only what a text means: unmarked, it could be what another row's key is
// shown as. Where keys come in the source's order, a marked one has no place in it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "model/shape.hpp"
#include "model/value.hpp"
#include "verify/digest.hpp"

namespace lockstep::verify {

/// For respell().
void mark(Value& text);

/// A key as it is carried (wire::encode_key of the quarantine has it so), as both sides show it.
[[nodiscard]] Key carried_key(const TablePlan& plan, Key key);

/// False for a key that no row of the target can have (its row waits in quarantine, or should), and
/// for one that only the target can spell. `shown` as both sides show it.
[[nodiscard]] bool target_may_have(const TablePlan& plan, const Key& shown);

/// A value of a key as both sides show it, without the mark of one that does not fit.
[[nodiscard]] Value unmarked(const TablePlan& plan, std::size_t column, Value shown);

/// The way back, for a key that the source does not have: a text that its column would carry and
/// that means the same; nothing: there is none.
[[nodiscard]] std::optional<Value> spelled_for_source(const TablePlan& plan, std::size_t column,
                                                      const Value& shown);

/// As the quarantine has a key: -0.0 and 0.0 are one.
[[nodiscard]] Key with_one_zero(Key key);
/// The same of its canonical bytes.
[[nodiscard]] std::string held_key_bytes(const Key& key);

}  // namespace lockstep::verify
