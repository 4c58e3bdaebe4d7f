#include "snapshot/census.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <optional>
#include <vector>

#include "link/postgres/encode.hpp"
#include "link/postgres/numeric.hpp"
#include "link/postgres/row_size.hpp"
#include "model/spelling.hpp"

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

// What the spellings of a column mean is told by the type that is there, whatever was declared.
Promise promise_to(const TargetType& type) {
  switch (type.kind) {
    case TargetKind::date:
      return Promise::date;
    case TargetKind::timestamp:
    case TargetKind::timestamptz:
    case TargetKind::time:      // Rails' have a day
    case TargetKind::interval:  // SQLAlchemy's begin in 1970
      return Promise::instant;
    case TargetKind::uuid:
      return Promise::uuid;
    case TargetKind::json:
    case TargetKind::jsonb:
      return Promise::json;
    case TargetKind::boolean:
      return Promise::boolean;
    case TargetKind::integer:
    case TargetKind::double_precision:
    case TargetKind::real:
    case TargetKind::numeric:
    case TargetKind::text:
    case TargetKind::character:
    case TargetKind::bytea:
    case TargetKind::enumeration:
    case TargetKind::inet:
      break;
  }
  return Promise::none;
}

/// What the values are read for, and how.
struct Reading {
  const TableRules& rules;
  const TargetTypes& targets;
  Integers integers;
};

class Counter {
 public:
  Counter(const TableShape& shape, const Reading& reading)
      : shape_(shape),
        rules_(reading.rules),
        targets_(reading.targets),
        integers_(reading.integers),
        carried_(reading.rules, shape.key) {
    census_.columns.resize(shape.columns.size());
    for (const Column& column : shape.columns) promises_.push_back(promise_of(column));
    for (std::size_t i = 0; i < targets_.size(); ++i)
      if (targets_[i]) promises_[i] = promise_to(*targets_[i]);
  }

  std::size_t count(const sqlite::Statement& row) {
    ++census_.rows;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < census_.columns.size(); ++i)
      bytes += count_value(row, i, carried_(i, row.value(static_cast<int>(i))));
    census_.bytes += bytes;
    if (census_.columns.size() > postgres::kAlwaysFits) measure(row);
    return bytes;
  }

  TableCensus take() { return std::move(census_); }

 private:
  void measure(const sqlite::Statement& row) {
    postgres::RowSize size(shape_.columns.size());
    for (std::size_t i = 0; i < shape_.columns.size(); ++i)
      size.add(row.value(static_cast<int>(i)), shape_.columns[i].affinity == Affinity::numeric);
    if (size.bytes() <= census_.row_bytes_max) return;
    census_.row_bytes_max = size.bytes();
    census_.widest_row.clear();
    for (const std::size_t key : shape_.key)
      census_.widest_row +=
          fmt::format("{}{}={}", census_.widest_row.empty() ? "" : ", ", shape_.columns[key].name,
                      describe(row.value(static_cast<int>(key))));
  }

  std::size_t count_value(const sqlite::Statement& row, std::size_t i, const ValueView& value) {
    ColumnCensus& column = census_.columns[i];
    const auto slot = static_cast<std::size_t>(value.kind);
    column.extremes.see(value);
    if (column.count[slot]++ == 0 && value.kind != ValueClass::null)
      column.example[slot] = describe_row(row, shape_, i);
    if (i < rules_.columns.size() && rules_.columns[i].cast != Cast::none)
      count_misfit(row, i, value);
    if (value.kind == ValueClass::real && shape_.columns[i].affinity == Affinity::numeric &&
        postgres::misfit_of(value, ColumnType::numeric) == postgres::Misfit::whole_real &&
        column.whole_reals++ == 0)
      column.whole_real_example = describe_row(row, shape_, i);
    if (promises_[i] != Promise::none && value.kind != ValueClass::null && !column.promise.broken &&
        !keeps(promises_[i], value, column.promise, integers_)) {
      column.promise.broken = true;
      column.promise.broken_by = describe_row(row, shape_, i);
    }
    if (i < targets_.size() && targets_[i]) count_target_misfit(row, i, value);
    if (value.kind != ValueClass::text && value.kind != ValueClass::blob)
      return sizeof value.integer;
    column.bytes_max = std::max<std::uint64_t>(column.bytes_max, value.bytes.size());
    if (value.kind == ValueClass::text) {
      column.formats.see(value.bytes);
      const postgres::Misfit misfit = postgres::misfit_of(value, ColumnType::text);
      if (misfit == postgres::Misfit::nul_in_text) ++column.nul_texts;
      if (misfit == postgres::Misfit::invalid_utf8) ++column.invalid_texts;
      if (misfit != postgres::Misfit::none && column.bad_text_example.empty())
        column.bad_text_example = describe_row(row, shape_, i);
    }
    return value.bytes.size();
  }

  void count_misfit(const sqlite::Statement& row, std::size_t i, const ValueView& value) {
    if (postgres::misfit_of(value, type_of(rules_.columns[i].cast)) == postgres::Misfit::none)
      return;
    if (census_.columns[i].cast_misfits++ == 0)
      census_.columns[i].cast_misfit_example = describe_row(row, shape_, i);
  }

  void count_target_misfit(const sqlite::Statement& row, std::size_t i, const ValueView& value) {
    ColumnCensus& column = census_.columns[i];
    std::string_view why = misfit_of_target(value, *targets_[i]);
    // The one thing that the type would hold and could not tell from another.
    const bool cast = i < rules_.columns.size() && rules_.columns[i].cast != Cast::none;
    const bool reals = !cast && shape_.columns[i].affinity == Affinity::real;
    const bool told = reals && postgres::fits_numeric_of_reals(value);
    if (why.empty() && targets_[i]->kind == TargetKind::numeric && !told &&
        postgres::misfit_of(value, ColumnType::numeric) == postgres::Misfit::whole_real)
      why = postgres::to_string(postgres::Misfit::whole_real);
    if (why.empty() && targets_[i]->kind == TargetKind::time && column.promise.broken &&
        (column.promise.kept > 0 || parse_instant(value.bytes)))
      why = "some have a day, as Rails writes it, and some have none";
    const bool interval = targets_[i]->kind == TargetKind::interval;
    const auto other = value.kind == ValueClass::text ? ValueClass::integer : ValueClass::text;
    const bool either = value.kind == ValueClass::text || value.kind == ValueClass::integer;
    if (why.empty() && interval && either && column.count[static_cast<std::size_t>(other)] > 0)
      why = "some are numbers of microseconds, and some are instants";
    PromiseCensus alone;
    if (why.empty() && !interval && promises_[i] == Promise::instant &&
        value.kind == ValueClass::integer && !keeps(Promise::instant, value, alone, integers_))
      why = "it is an integer, and may count seconds: a rule for the column says what";
    if (why.empty()) return;
    if (column.target_misfits++ == 0)
      column.target_misfit_example = fmt::format("{}: {}", describe_row(row, shape_, i), why);
  }

  const TableShape& shape_;
  const TableRules& rules_;
  const TargetTypes& targets_;
  Integers integers_;
  RuleReader carried_;
  std::vector<Promise> promises_;
  TableCensus census_;
};

struct Part {
  std::optional<std::vector<Value>> after;
  std::optional<std::int64_t> until;
};

TableCensus count_part(sqlite::Database& database, const TableShape& shape, const Reading& reading,
                       const sqlite::SliceLimits& limits, const Part& part,
                       const std::function<void(std::uint64_t)>& progress) {
  sqlite::Scan scan(database, shape, part.after, limits, part.until);
  Counter counter(shape, reading);
  const sqlite::Scan::Visit visit = [&](const sqlite::Statement& row) {
    return counter.count(row);
  };
  bool more = true;
  while (more) {
    more = scan.slice(visit);
    progress(scan.rows());
  }
  return counter.take();
}

// The rowid in the middle; nothing where a second reader would not pay, or would stand in the way:
// readers and writers exclude each other in rollback-journal mode.
std::optional<std::int64_t> middle_rowid(sqlite::Database& database, const TableShape& shape) {
  constexpr std::int64_t kRowidsMin = 100'000;
  if (!database.in_wal_mode()) return std::nullopt;
  const auto ends = sqlite::rowid_ends(database, shape);
  if (!ends || ends->first < 0 || ends->last - ends->first < kRowidsMin) return std::nullopt;
  return ends->first + (ends->last - ends->first) / 2;
}

void add(TableCensus& sum, const TableCensus& part) {
  sum.rows += part.rows;
  sum.bytes += part.bytes;
  if (part.row_bytes_max > sum.row_bytes_max) {
    sum.row_bytes_max = part.row_bytes_max;
    sum.widest_row = part.widest_row;
  }
  for (std::size_t i = 0; i < sum.columns.size(); ++i) {
    ColumnCensus& column = sum.columns[i];
    const ColumnCensus& other = part.columns[i];
    for (std::size_t kind = 0; kind < column.count.size(); ++kind) {
      column.count[kind] += other.count[kind];
      if (column.example[kind].empty()) column.example[kind] = other.example[kind];
    }
    column.nul_texts += other.nul_texts;
    column.invalid_texts += other.invalid_texts;
    if (column.bad_text_example.empty()) column.bad_text_example = other.bad_text_example;
    column.cast_misfits += other.cast_misfits;
    if (column.cast_misfit_example.empty()) column.cast_misfit_example = other.cast_misfit_example;
    column.whole_reals += other.whole_reals;
    if (column.whole_real_example.empty()) column.whole_real_example = other.whole_real_example;
    column.bytes_max = std::max(column.bytes_max, other.bytes_max);
    column.target_misfits += other.target_misfits;
    if (column.target_misfit_example.empty())
      column.target_misfit_example = other.target_misfit_example;
    add(column.promise, other.promise);
    column.extremes.add(other.extremes);
    column.formats.add(other.formats);
  }
}

}  // namespace

TargetTypes target_types(const TableShape& shape, const CatalogTable& there,
                         const TableRules& rules) {
  TargetTypes types(shape.columns.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    const bool renamed = i < rules.columns.size() && !rules.columns[i].rename.empty();
    const std::string& name = renamed ? rules.columns[i].rename : shape.columns[i].name;
    for (const auto& column : there.columns)
      if (column.name == name) types[i] = column.target_type();
  }
  return types;
}

TableCensus sample_census(sqlite::Database& database, const TableShape& shape,
                          std::uint64_t rows_max, const TableRules& rules,
                          const TargetTypes& targets, Integers integers) {
  constexpr std::size_t kSliceBytesMax = std::size_t{1} << 40;
  const sqlite::SliceLimits limits{.bytes_max = kSliceBytesMax};
  sqlite::Scan scan(database, shape, std::nullopt, limits);
  Counter counter(shape, {rules, targets, integers});
  bool more = true;
  while (more && scan.rows() < rows_max)
    more = scan.slice([&](const sqlite::Statement& row) {
      const std::size_t bytes = counter.count(row);
      return scan.rows() + 1 >= rows_max ? kSliceBytesMax : bytes;
    });
  TableCensus census = counter.take();
  census.whole = !more;
  return census;
}

TableCensus take_census(sqlite::Database& database, const TableShape& shape,
                        const sqlite::SliceLimits& limits,
                        const std::function<void(std::uint64_t)>& progress, const TableRules& rules,
                        const TargetTypes& targets, Integers integers) {
  sqlite::SliceLimits wide = limits;
  wide.bytes_max = std::size_t{1} << 40;  // nothing is kept: only time bounds a slice
  const Reading reading{rules, targets, integers};
  const std::optional<std::int64_t> middle = middle_rowid(database, shape);
  if (!middle) return count_part(database, shape, reading, wide, {}, progress);

  std::atomic<std::uint64_t> beyond{0};
  std::future<TableCensus> second = std::async(std::launch::async, [&] {
    sqlite::Database own = sqlite::Database::open(database.path(), sqlite::OpenMode::read_only);
    const Part part{std::vector{Value(ValueView{.kind = ValueClass::integer, .integer = *middle})},
                    std::nullopt};
    return count_part(own, shape, reading, wide, part, [&](std::uint64_t rows) { beyond = rows; });
  });
  TableCensus census = count_part(database, shape, reading, wide, {std::nullopt, middle},
                                  [&](std::uint64_t rows) { progress(rows + beyond); });
  add(census, second.get());
  return census;
}

}  // namespace lockstep::snapshot
