#include "ops/source_worker.hpp"

namespace lockstep::ops {

wire::Welcome SourceWorker::welcome() {
  using sqlite::Database;
  wire::Welcome welcome;
  welcome.source_id = options_.installed.source_id;
  welcome.newest = tail_->newest();
  board_.captured(welcome.newest);
  welcome.tables = options_.installed.tables;
  welcome.migration = options_.installed.migration;
  welcome.source = options_.path;
  Database reading = Database::open(options_.path, sqlite::OpenMode::read_only);
  welcome.first = capture::first_position(reading, options_.installed.era);
  for (const TablePlan& plan : welcome.tables)
    welcome.split_points.push_back(snapshot::split_points(reading, plan.shape));
  welcome.in_doubt = in_doubt_;
  for (const TablePlan& plan : welcome.tables)
    welcome.expected_rows.push_back(capture::census_rows(options_.installed, plan.id));
  return welcome;
}

}  // namespace lockstep::ops
