// Values that differ, for people.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/big_endian.hpp"
#include "model/error.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {

namespace {

bool is_long(const Value& value) {
  constexpr std::size_t kShownWhole = 30;
  return (value.kind == ValueClass::text || value.kind == ValueClass::blob) &&
         value.bytes.size() > kShownWhole;
}

// Counted from 1.
std::size_t first_difference(std::string_view a, std::string_view b) {
  const std::size_t shorter = std::min(a.size(), b.size());
  std::size_t same = 0;
  while (same < shorter && a[same] == b[same]) ++same;
  return same + 1;
}

constexpr std::size_t kSentWhole = 4'096, kPieces = 512;

std::size_t piece_bytes(std::size_t size) {
  return (size + kPieces - 1) / kPieces;
}

std::uint64_t piece_hash(std::string_view bytes) {
  Value piece;
  piece.kind = ValueClass::blob;
  piece.bytes = bytes;
  return value_hash(piece);
}

std::string sizes_text(std::uint64_t sqlite, std::size_t postgres) {
  return fmt::format("{} and {} bytes, first difference", sqlite, postgres);
}

}  // namespace

WrongConstants read_target_fields(std::vector<Value>& row,
                                  const std::vector<std::optional<std::string_view>>& fields,
                                  const TablePlan& plan) {
  check(fields.size() == row.size() + plan.rules.added.size(),
        "the server sends the columns that were asked for");
  for (std::size_t i = 0; i < row.size(); ++i) read_target(row[i], fields[i], plan, i);
  return {fields.begin() + static_cast<std::ptrdiff_t>(row.size()), fields.end()};
}

std::uint64_t target_hash(const std::vector<Value>& row, const WrongConstants& wrong,
                          std::string& scratch) {
  std::uint64_t hash = row_hash(row, scratch);
  for (const auto& each : wrong) {
    if (!each) continue;
    Value text;
    text.kind = ValueClass::text;
    text.bytes = *each;
    hash = (hash ^ value_hash(text)) + 1;
  }
  return hash;
}

std::string both_values(const TablePlan& plan, std::size_t column, const Value& sqlite,
                        const Value& postgres, const SideNames& names) {
  std::string text = fmt::format("{} is {} on {} and {} on {}", plan.shape.columns[column].name,
                                 shown_value(plan, column, sqlite.view()), names.sqlite,
                                 shown_value(plan, column, postgres.view()), names.postgres);
  if (!plan.is_personal(column) && sqlite.kind == postgres.kind && is_long(sqlite) &&
      is_long(postgres))
    text += fmt::format(" ({} at byte {})", sizes_text(sqlite.bytes.size(), postgres.bytes.size()),
                        first_difference(sqlite.bytes, postgres.bytes));
  return text;
}

std::string outline(const TablePlan& plan, std::size_t column, const Value& value) {
  if (plan.is_personal(column) || !is_long(value)) return {};
  std::string out(1, static_cast<char>(value.kind));
  const auto put = [&](std::uint64_t number) {
    std::array<char, sizeof number> bytes{};
    store_big_endian(bytes.data(), number);
    out.append(bytes.data(), bytes.size());
  };
  put(value.bytes.size());
  if (value.bytes.size() <= kSentWhole) return out + value.bytes;
  const std::string_view bytes = value.bytes;
  for (std::size_t at = 0; at < bytes.size(); at += piece_bytes(bytes.size()))
    put(piece_hash(bytes.substr(at, piece_bytes(bytes.size()))));
  return out;
}

std::string where_apart(std::string_view outline, const Value& postgres) {
  constexpr std::size_t kNumber = sizeof(std::uint64_t), kHead = 1 + kNumber;
  if (outline.size() < kHead || outline[0] != static_cast<char>(postgres.kind) ||
      !is_long(postgres))
    return {};
  const auto size = load_big_endian<std::uint64_t>(outline.data() + 1);
  const std::string_view here = postgres.bytes;
  outline.remove_prefix(kHead);
  const std::string sizes = sizes_text(size, here.size());
  if (size <= kSentWhole)
    return fmt::format(" ({} at byte {})", sizes, first_difference(outline, here));
  const std::size_t piece = piece_bytes(size);
  for (std::size_t at = 0; outline.size() >= kNumber && at < size;
       outline.remove_prefix(kNumber), at += piece)
    if (at >= here.size() || piece_hash(here.substr(at, std::min<std::size_t>(piece, size - at))) !=
                                 load_big_endian<std::uint64_t>(outline.data()))
      return fmt::format(" ({} in bytes {} to {})", sizes, at + 1,
                         std::min<std::size_t>(at + piece, size));
  return fmt::format(" ({} at byte {})", sizes, size + 1);
}

std::vector<std::string> wrong_constants(const TablePlan& plan, const WrongConstants& wrong) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < wrong.size(); ++i)
    if (wrong[i])
      texts.push_back(fmt::format(
          "{} is {} on PostgreSQL, and {} by its rule (no repair: UPDATE it)",
          plan.rules.added[i].name, *wrong[i], describe(plan.rules.added[i].value.view())));
  return texts;
}

}  // namespace lockstep::verify
