#include "snapshot/census.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "link/postgres/encode.hpp"

namespace lockstep::snapshot {

namespace {

std::string describe_row(const sqlite::Statement& row, const TableShape& shape,
                         std::size_t column) {
  std::string text;
  for (const std::size_t key : shape.key)
    text +=
        fmt::format("{}={}, ", shape.columns[key].name, describe(row.value(static_cast<int>(key))));
  return text + describe(row.value(static_cast<int>(column)));
}

class Counter {
 public:
  explicit Counter(const TableShape& shape) : shape_(shape) {
    census_.columns.resize(shape.columns.size());
  }

  std::size_t count(const sqlite::Statement& row) {
    ++census_.rows;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < census_.columns.size(); ++i)
      bytes += count_value(row, i, row.value(static_cast<int>(i)));
    return bytes;
  }

  TableCensus take() { return std::move(census_); }

 private:
  std::size_t count_value(const sqlite::Statement& row, std::size_t i, const ValueView& value) {
    ColumnCensus& column = census_.columns[i];
    const auto slot = static_cast<std::size_t>(value.kind);
    if (column.count[slot]++ == 0 && value.kind != ValueClass::null)
      column.example[slot] = describe_row(row, shape_, i);
    if (value.kind != ValueClass::text && value.kind != ValueClass::blob)
      return sizeof value.integer;
    column.bytes_max = std::max<std::uint64_t>(column.bytes_max, value.bytes.size());
    if (value.kind == ValueClass::text) {
      const postgres::Misfit misfit = postgres::misfit_of(value, ColumnType::text);
      if (misfit == postgres::Misfit::nul_in_text) ++column.nul_texts;
      if (misfit == postgres::Misfit::invalid_utf8) ++column.invalid_texts;
      if (misfit != postgres::Misfit::none && column.bad_text_example.empty())
        column.bad_text_example = describe_row(row, shape_, i);
    }
    return value.bytes.size();
  }

  const TableShape& shape_;
  TableCensus census_;
};

}  // namespace

TableCensus take_census(sqlite::Database& database, const TableShape& shape,
                        const SliceLimits& limits,
                        const std::function<void(std::uint64_t)>& progress) {
  SliceLimits wide = limits;
  wide.bytes_max = std::size_t{1} << 40;  // nothing is kept: only time bounds a slice
  Scan scan(database, shape, std::nullopt, wide);
  Counter counter(shape);
  const Scan::Visit visit = [&](const sqlite::Statement& row) { return counter.count(row); };
  bool more = true;
  while (more) {
    more = scan.slice(visit);
    progress(scan.rows());
  }
  return counter.take();
}

}  // namespace lockstep::snapshot
