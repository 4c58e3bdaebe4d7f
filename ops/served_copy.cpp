#include "ops/served_copy.hpp"

namespace lockstep::ops {

ServedCopy::ServedCopy(const std::vector<wire::CopyRequest>& parts,
                       const capture::Installed& installed, Board& board)
    : board_(board) {
  std::map<std::uint32_t, std::int64_t> rows;
  for (const wire::CopyRequest& part : parts) {
    tables_.push_back(part.table);
    ++parts_left_[part.table];
    rows[part.table] = part.table_rows;
  }
  std::vector<TableProgress> tables;
  for (const TablePlan& plan : installed.tables) {
    const std::int64_t expected = capture::census_rows(installed, plan.id);
    const bool copied = !rows.contains(plan.id);
    tables.push_back(
        {plan.id, plan.name(), copied ? expected : rows[plan.id], expected, copied, false});
  }
  board.tables(std::move(tables));
  board.phase("snapshot", false);
}

void ServedCopy::sent(const wire::ChunkEnd& end) {
  if (end.part >= tables_.size()) return;
  const std::uint32_t table = tables_[end.part];
  board_.table_begun(table);
  std::size_t& left = parts_left_[table];
  if (end.done && left > 0) --left;
  board_.chunk_loaded(table, static_cast<std::int64_t>(end.rows), left == 0);
}

}  // namespace lockstep::ops
