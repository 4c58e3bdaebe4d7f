// One cell, as SQLite stores it.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace lockstep {

/// SQLite's storage classes. The numbers are the tags on the wire (model/README.md).
enum class ValueClass : std::uint8_t { null = 0, integer = 1, real = 2, text = 3, blob = 4 };

[[nodiscard]] std::string_view to_string(ValueClass kind);

/// A cell that somebody else owns. Valid as long as the owner says.
struct ValueView {
  ValueClass kind = ValueClass::null;
  std::int64_t integer = 0;
  double real = 0;
  std::string_view
      bytes{};  ///< text (as stored, perhaps not valid UTF-8, perhaps with NUL) or blob
};

/// A cell of its own.
struct Value {
  ValueClass kind = ValueClass::null;
  std::int64_t integer = 0;
  double real = 0;
  std::string bytes;

  Value() = default;
  explicit Value(ValueView view)
      : kind(view.kind), integer(view.integer), real(view.real), bytes(view.bytes) {}
  [[nodiscard]] ValueView view() const { return {kind, integer, real, bytes}; }
  /// Keeps the memory that it has.
  void assign(const ValueView& view) {
    kind = view.kind;
    integer = view.integer;
    real = view.real;
    bytes.assign(view.bytes);
  }
};

/// Exact: same class and same bits. 1 is not 1.0, 0.0 is not -0.0, a NaN equals itself, 'a' is not
/// x'61'.
[[nodiscard]] inline bool same_value(const ValueView& a, const ValueView& b) {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case ValueClass::null:
      return true;
    case ValueClass::integer:
      return a.integer == b.integer;
    case ValueClass::real:
      return std::bit_cast<std::uint64_t>(a.real) == std::bit_cast<std::uint64_t>(b.real);
    case ValueClass::text:
    case ValueClass::blob:
      return a.bytes == b.bytes;
  }
  return false;
}

/// For messages: 42, 1.5, 'text' (cut at 60 bytes, control characters escaped), x'00ff', NULL.
[[nodiscard]] std::string describe(const ValueView& value);

}  // namespace lockstep
