#include "apply/row_counts.hpp"

#include <fmt/format.h>

namespace lockstep::apply {

Error other_rows_written(const std::string& where, std::int64_t sent, std::int64_t written,
                         Kept kept) {
  return Error(
      {.code = kOtherRows,
       .exit = ExitCode::stopped,
       .what = fmt::format("{} rows were sent{}{}, the target says that it wrote {}", sent,
                           where.empty() ? "" : " to ", where, written),
       .why = "something on the target takes rows away or adds some, and it is no trigger and no "
              "rule that lockstep finds",
       .data = kept == Kept::batch
                   ? "the batch is on the target without these rows; changes behind it wait in the "
                     "source, and all tables are to be compared by themselves"
                   : "safe: nothing of the batch was kept, changes wait in the source",
       .todo = "find out what it is, undo it, run lockstep again; then lockstep verify --repair"});
}

}  // namespace lockstep::apply
