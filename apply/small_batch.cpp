#include "apply/small_batch.hpp"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "apply/batch_parameters.hpp"
#include "apply/merge.hpp"
#include "apply/refused_row.hpp"
#include "model/failpoint.hpp"

namespace lockstep::apply {

using postgres::Pipeline;

void SmallBatch::clear() {
  bytes_.clear();
  stored_.clear();
  sent_.clear();
  counted_.clear();
}

void SmallBatch::put(const EntryView& entry, std::uint32_t slice) {
  stored_.push_back({entry.table, entry.present, slice, bytes_.size(), entry.values.size()});
  bytes_.append(entry.values);
}

std::set<std::uint32_t> SmallBatch::tables() const {
  std::set<std::uint32_t> tables;
  for (const Stored& stored : stored_) tables.insert(stored.table);
  return tables;
}

void SmallBatch::keep_latest() {
  std::set<std::string> seen;
  std::vector<Stored> latest;
  for (auto stored = stored_.rbegin(); stored != stored_.rend(); ++stored) {
    const TablePlan& table = plan(*stored);
    std::vector<ValueView> row;
    ValueCursor cursor(values(*stored));
    while (const auto value = cursor.next()) row.push_back(*value);
    Parameters key;
    for (std::size_t i = 0; i < table.shape.key.size(); ++i) {
      const std::size_t column = table.shape.key[i];
      ValueView value = stored->present ? row[column] : row[i];
      if (value.kind == ValueClass::real && std::abs(value.real) <= 0)
        value.real = 0;  // -0.0 is the same key for PostgreSQL
      key.add(value, table.types[column]);
    }
    if (seen.insert(fmt::format("{}:{}", stored->table, key.joined())).second)
      latest.push_back(*stored);
  }
  stored_.assign(latest.rbegin(), latest.rend());
}

bool SmallBatch::replaced(const Stored& stored, Writing writing) const {
  return writing == Writing::anew || !is_upserted(plan(stored));
}

std::map<std::string, std::string> SmallBatch::statements(Writing writing) const {
  std::map<std::string, std::string> statements;
  for (const Stored& stored : stored_) {
    const TablePlan& table = plan(stored);
    const bool anew = replaced(stored, writing);
    if (anew || !stored.present)
      statements.emplace(fmt::format("lockstep_d{}", table.id), delete_row_sql(schema_, table));
    if (anew && stored.present)
      statements.emplace(fmt::format("lockstep_i{}", table.id), insert_row_sql(schema_, table));
    if (!anew && stored.present)
      statements.emplace(fmt::format("lockstep_u{}", table.id), upsert_row_sql(schema_, table));
  }
  return statements;
}

void SmallBatch::run(Pipeline& pipeline, Writing writing, std::size_t first) {
  first_ = first;
  sent_.clear();
  counted_.clear();
  for (const Stored& stored : stored_) {
    if (stored.present && !replaced(stored, writing)) continue;
    run_delete(pipeline, stored);
    sent_.push_back(&stored);
  }
  LOCKSTEP_FAILPOINT("apply.half_rows");
  for (const Stored& stored : stored_) {
    if (!stored.present) continue;
    const bool anew = replaced(stored, writing);
    run_write(pipeline, stored, anew ? 'i' : 'u');
    if (anew || upsert_counts(plan(stored))) counted_.push_back(behind());
    sent_.push_back(&stored);
  }
}

void SmallBatch::run_delete(Pipeline& pipeline, const Stored& stored) const {
  const TablePlan& table = plan(stored);
  std::vector<ValueView> row;
  ValueCursor cursor(values(stored));
  while (const auto value = cursor.next()) row.push_back(*value);
  Parameters key;
  for (std::size_t i = 0; i < table.shape.key.size(); ++i) {
    const std::size_t column = table.shape.key[i];
    key.add(stored.present ? row[column] : row[i], table.types[column]);
  }
  pipeline.run(fmt::format("lockstep_d{}", table.id), key.views());
}

void SmallBatch::run_write(Pipeline& pipeline, const Stored& stored, char verb) const {
  const TablePlan& table = plan(stored);
  ValueCursor row(values(stored));
  Parameters parameters;
  for (std::size_t i = 0; i < table.types.size(); ++i) {
    const auto value = row.next();
    if (table.shape.columns[i].computed_as.empty()) parameters.add(*value, table.types[i]);
  }
  pipeline.run(fmt::format("lockstep_{}{}", verb, table.id), parameters.views());
}

Error SmallBatch::placed(const Error& error, std::size_t statement) const {
  if (statement < first_ || statement >= behind()) return error;
  const Stored& stored = *sent_[statement - first_];
  return about_row(error, plan(stored), view(stored));
}

}  // namespace lockstep::apply
