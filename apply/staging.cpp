#include "apply/staging.hpp"

#include <algorithm>
#include <utility>

#include "apply/dual_merge.hpp"
#include "apply/row_counts.hpp"
#include "link/postgres/encode.hpp"
#include "link/postgres/names.hpp"
#include "model/failpoint.hpp"

namespace lockstep::apply {

namespace {

void append_null(std::string& out) {
  put_u32(out, 0xffffffffU);
}

void append_boolean(std::string& out, bool value) {
  put_u32(out, 1);
  put_u8(out, value ? 1 : 0);
}

void append_integer(std::string& out, std::uint32_t value) {
  put_u32(out, sizeof value);
  put_u32(out, value);
}

// Value by value: a row of large ones is not put together once more.
void send_if_full(postgres::CopyIn& copy, std::string& lump, std::size_t lump_bytes) {
  constexpr std::size_t kKeptBytes = 1u << 20;
  if (lump.size() < lump_bytes) return;
  copy.put(lump);
  if (lump.capacity() > kKeptBytes) std::string().swap(lump);
  lump.clear();
}

void append_absent(std::string& out, const TablePlan& plan, ValueCursor values) {
  // Key values come in key order; the tuple wants them at their columns.
  std::vector<ValueView> by_column(plan.types.size());
  for (const std::size_t column : plan.shape.key) by_column[column] = *values.next();
  for (std::size_t i = 0; i < plan.types.size(); ++i) {
    if (plan.is_key(i))
      postgres::append_field(out, by_column[i], plan.types[i]);
    else
      append_null(out);
  }
}

}  // namespace

Staging::Staging(postgres::Connection& connection, std::string schema, std::size_t lump_bytes,
                 const std::vector<DualTable>& dual)
    : connection_(connection), schema_(std::move(schema)), lump_bytes_(lump_bytes), dual_(dual) {}

void Staging::put(const TablePlan& plan, const EntryView& entry, std::uint32_t slice) {
  if (current_ != &plan) open(plan);
  slices_ = std::max(slices_, slice);
  postgres::append_tuple_head(lump_, plan.types.size() + 2);
  append_boolean(lump_, entry.present);
  append_integer(lump_, slice);
  ValueCursor values(entry.values);
  if (!entry.present) {
    append_absent(lump_, plan, values);
    return send_if_full(*copy_, lump_, lump_bytes_);
  }
  for (const ColumnType type : plan.types) {
    postgres::append_field(lump_, *values.next(), type);
    send_if_full(*copy_, lump_, lump_bytes_);
  }
}

void Staging::reset(const TablePlan& plan) {
  close();
  stage(plan);
  connection_.exec("TRUNCATE " + staging_name(plan));
  if (!is_whole(&plan)) whole_.push_back(&plan);
}

bool Staging::is_whole(const TablePlan* plan) const {
  return std::find(whole_.begin(), whole_.end(), plan) != whole_.end();
}

void Staging::stage(const TablePlan& plan) {
  if (std::find(staged_.begin(), staged_.end(), &plan) != staged_.end()) return;
  connection_.exec(create_staging_sql(plan));
  staged_.push_back(&plan);
}

void Staging::open(const TablePlan& plan) {
  close();
  stage(plan);
  copy_ = std::make_unique<postgres::CopyIn>(connection_, copy_staging_sql(plan));
  current_ = &plan;
}

void Staging::flush() {
  if (!lump_.empty()) copy_->put(lump_);
  lump_.clear();
}

void Staging::close() {
  if (!copy_) return;
  flush();
  copy_->finish();
  copy_.reset();
  current_ = nullptr;
}

bool Staging::merge(bool keyed) {
  close();
  for (const TablePlan* plan : staged_) {
    // Without statistics the planner takes a temporary table for small, and loops over it.
    connection_.exec("ANALYZE " + staging_name(*plan));
    if (slices_ > 0) connection_.exec(keep_latest_sql(*plan));
  }
  if (!keyed) {
    merge_replace(Into::copy);
    return false;
  }
  connection_.exec("SAVEPOINT lockstep_merge");
  try {
    merge_upsert();
    return false;
  } catch (const Error& error) {
    if (error.foreign() != kUniqueViolation) throw;
  }
  connection_.exec("ROLLBACK TO SAVEPOINT lockstep_merge");
  conflicts_ = 0;
  merge_replace(Into::table);
  return true;
}

void Staging::merge_upsert() {
  for (const TablePlan* plan : staged_) {
    if (find_dual(dual_, plan->id) != nullptr) continue;
    if (!is_upserted(*plan))
      connection_.exec(is_whole(plan) ? merge_delete_all_sql(schema_, *plan)
                                      : merge_delete_touched_sql(schema_, *plan));
    else
      connection_.exec(is_whole(plan) ? merge_delete_missing_sql(schema_, *plan)
                                      : merge_delete_absent_sql(schema_, *plan));
  }
  LOCKSTEP_FAILPOINT("apply.half_rows");
  for (const TablePlan* plan : staged_) {
    if (const DualTable* dual = find_dual(dual_, plan->id))
      conflicts_ +=
          merge_dual(connection_, schema_, *plan, *dual, is_whole(plan), DualWay::in_place);
    else if (!is_upserted(*plan))
      write_present(*plan, merge_insert_sql(schema_, *plan));
    else if (is_whole(plan) || !upsert_counts(*plan))
      connection_.exec(is_whole(plan) ? merge_upsert_changed_sql(schema_, *plan)
                                      : merge_upsert_sql(schema_, *plan));
    else
      write_present(*plan, merge_upsert_sql(schema_, *plan));
  }
}

void Staging::write_present(const TablePlan& plan, const std::string& sql) {
  const std::int64_t sent = connection_.exec(count_present_sql(plan)).integer(0, 0);
  const std::int64_t written = connection_.exec(sql).affected();
  if (written != sent) throw other_rows_written(plan.target_name(), sent, written, Kept::nothing);
}

void Staging::merge_replace(Into into) {
  for (const TablePlan* plan : staged_)
    if (find_dual(dual_, plan->id) == nullptr)
      connection_.exec(is_whole(plan) ? merge_delete_all_sql(schema_, *plan, into)
                                      : merge_delete_touched_sql(schema_, *plan, into));
  LOCKSTEP_FAILPOINT("apply.half_rows");
  for (const TablePlan* plan : staged_) {
    if (const DualTable* dual = find_dual(dual_, plan->id))
      conflicts_ += merge_dual(connection_, schema_, *plan, *dual, is_whole(plan), DualWay::anew);
    else
      write_present(*plan, merge_insert_sql(schema_, *plan, into));
  }
}

}  // namespace lockstep::apply
