#include "ops/estimate.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "apply/target_schema.hpp"
#include "link/postgres/copy.hpp"
#include "link/postgres/encode.hpp"
#include "link/postgres/names.hpp"
#include "link/sqlite/scan.hpp"
#include "model/clock.hpp"

namespace lockstep::ops {

namespace {

constexpr std::uint64_t kRowsMax = 200'000;
constexpr Milliseconds kTimeMax{2'000};

const TableFacts* largest(const Assessment& assessment) {
  const TableFacts* found = nullptr;
  for (const TableFacts& table : assessment.tables)
    if (table.carried && table.census.rows > 0 &&
        (found == nullptr || table.census.bytes > found->census.bytes))
      found = &table;
  return found;
}

struct Copied {
  std::uint64_t rows = 0, bytes = 0;
};

// A value may have changed since the census: rows that do not fit are not part of the measurement.
std::size_t append_row(std::string& out, const sqlite::Statement& row, const TablePlan& plan) {
  RuleReader carried(plan.rules, plan.shape.key);
  for (std::size_t i = 0; i < plan.types.size(); ++i)
    if (postgres::misfit_of_carried(plan, i, carried(i, row.value(static_cast<int>(i)))) !=
        postgres::Misfit::none)
      return 0;
  const std::size_t before = out.size();
  std::size_t bytes = 0;
  postgres::append_tuple_head(out, plan.types.size());
  for (std::size_t i = 0; i < plan.types.size(); ++i) {
    const ValueView value = carried(i, row.value(static_cast<int>(i)));
    postgres::append_field(out, value, plan.types[i]);
    bytes += value.kind == ValueClass::text || value.kind == ValueClass::blob
                 ? value.bytes.size()
                 : sizeof value.integer;
  }
  return std::max<std::size_t>(bytes, out.size() > before ? 1 : 0);
}

Copied copy_first_rows(sqlite::Database& source, postgres::Connection& target,
                       const std::string& schema, const TableShape& shape, const TablePlan& plan) {
  constexpr std::size_t kLump = 256u << 10;
  target.exec(apply::create_table_sql(schema, plan));
  postgres::CopyIn copy(target, fmt::format("COPY {} FROM STDIN (FORMAT binary)",
                                            postgres::qualified(schema, plan.target_name())));
  sqlite::Scan scan(source, shape, std::nullopt, {});
  Copied copied;
  std::string lump;
  const Deadline deadline(kTimeMax);
  bool more = true;
  while (more && copied.rows < kRowsMax && !deadline.passed()) {
    more = scan.slice([&](const sqlite::Statement& row) {
      if (const std::size_t bytes = append_row(lump, row, plan); bytes > 0) {
        ++copied.rows;
        copied.bytes += bytes;
      }
      return lump.size() >= kLump ? std::size_t{1} << 40 : std::size_t{0};
    });
    copy.put(lump);
    lump.clear();
  }
  static_cast<void>(copy.finish());
  return copied;
}

}  // namespace

std::optional<Estimate> estimate_copy(sqlite::Database& source, postgres::Connection& target,
                                      const std::string& schema, const Assessment& assessment) {
  const TableFacts* table = largest(assessment);
  if (table == nullptr) return std::nullopt;
  const auto plan =
      std::find_if(assessment.plans.begin(), assessment.plans.end(),
                   [&](const TablePlan& one) { return one.name() == table->shape.name; });
  if (plan == assessment.plans.end()) return std::nullopt;
  TablePlan tried = *plan;  // under a name of its own: the table may be there already
  tried.shape.name = fmt::format("_lockstep_assess_{}", ::getpid());
  tried.rules.rename.clear();
  tried.rules.added.clear();
  for (Column& column : tried.shape.columns) column.computed_as.clear();
  const SteadyTime begun = steady_now();
  target.exec("BEGIN");
  Copied copied;
  std::uint64_t size = 0;
  try {
    copied = copy_first_rows(source, target, schema, plan->shape, tried);
    size = static_cast<std::uint64_t>(target
                                          .query("SELECT pg_table_size($1::regclass)",
                                                 {postgres::qualified(schema, tried.name())})
                                          .integer(0, 0));
  } catch (...) {
    target.abort();
    throw;
  }
  target.abort();
  const double seconds =
      std::max(std::chrono::duration<double>(steady_now() - begun).count(), 0.001);
  if (copied.rows == 0) return std::nullopt;
  std::uint64_t rows = 0, bytes = 0;
  for (const TableFacts& one : assessment.tables) {
    if (!one.carried) continue;
    rows += one.census.rows;
    bytes += one.census.bytes;
  }
  const double by_rows = static_cast<double>(rows) * seconds / static_cast<double>(copied.rows);
  const double by_bytes = static_cast<double>(bytes) * seconds / static_cast<double>(copied.bytes);
  return Estimate{.table = plan->name(),
                  .rows = copied.rows,
                  .rows_per_second = static_cast<double>(copied.rows) / seconds,
                  .bytes_per_second = static_cast<double>(copied.bytes) / seconds,
                  .seconds_min = std::min(by_rows, by_bytes),
                  .seconds_max = 2 * std::max(by_rows, by_bytes),
                  .target_bytes = static_cast<std::uint64_t>(static_cast<double>(size) *
                                                             static_cast<double>(bytes) /
                                                             static_cast<double>(copied.bytes))};
}

}  // namespace lockstep::ops
