// How large a row is on a page of PostgreSQL: what TOAST cannot move elsewhere has to fit there.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/row_stream.hpp"
#include "model/shape.hpp"
#include "model/value.hpp"

namespace lockstep::postgres {

constexpr std::uint64_t kRowBytesMax = 8'160;  ///< on a page, with its head
/// Rows of at most so many columns always fit.
constexpr std::size_t kAlwaysFits = 330;
/// A btree entry of PostgreSQL holds 2,704 bytes; its head and alignment need some of them.
constexpr std::uint64_t kIndexedBytesMax = 2'600;

/// Adds up one row, column after column. An upper bound, and a tight one: texts and blobs over 24
/// bytes count as 24, because PostgreSQL keeps a pointer of 18 or packs them into at most 24.
class RowSize {
 public:
  /// `columns`: of the table, NULLs too. `numeric`: the number may be stored as numeric.
  explicit RowSize(std::size_t columns) : bytes_((23 + (columns + 7) / 8 + 7) / 8 * 8) {}
  void add(const ValueView& value, bool numeric);
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  std::uint64_t bytes_;
};

/// Throws LS-D413 naming table and key if a present row, or its key, is larger than PostgreSQL can
/// keep. Every value fits its column. PostgreSQL would refuse it as well, but name nothing.
void check_size(const TablePlan& plan, const EntryView& entry);

}  // namespace lockstep::postgres
