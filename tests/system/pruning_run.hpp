// `lockstep run` that prunes at every turn: a process of the test program itself, which links the
// product, for no option of lockstep makes it prune so often.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ops/attempt.hpp"
#include "ops/follow.hpp"
#include "ops/pipeline.hpp"
#include "ops/prepare.hpp"
#include "ops/screen.hpp"
#include "ops/signals.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {

inline constexpr char kPruningRun[] = "a run that prunes at every turn";

/// The program needs a hidden test case of that name that calls pruning_run().
inline std::unique_ptr<Process> start_pruning_run(const std::string& file, const std::string& dsn,
                                                  ProcessOptions options = {}) {
  options.environment.push_back("LOCKSTEP_TEST_FILE=" + file);
  options.environment.push_back("LOCKSTEP_TEST_DSN=" + dsn);
  return std::make_unique<Process>(std::vector<std::string>{"/proc/self/exe", kPruningRun},
                                   clean(std::move(options)));
}

[[noreturn]] inline void pruning_run() {
  const char* file = std::getenv("LOCKSTEP_TEST_FILE");
  const char* dsn = std::getenv("LOCKSTEP_TEST_DSN");
  if (file == nullptr || dsn == nullptr) std::exit(2);
  ops::Signals signals;
  ops::Screen screen(ops::Format::text, ops::Progress::quiet);
  sqlite::LockFile lock = ops::take_source(file, screen);
  ops::RunRequest request;
  request.source = file;
  request.target = dsn;
  ops::Attempt attempt;
  ops::Prepared prepared = ops::prepare(request, attempt, screen);
  ops::Board board(ops::starting_status(file));
  ops::Ending ending;
  {
    capture::PruneLimits limits;
    limits.every = Milliseconds{1};
    limits.retained_changes = 50;
    limits.slice_changes = 20;
    limits.least_changes = 60;
    const ops::Pipeline pipeline(std::move(prepared), board, limits);
    ending = ops::watch(false, board, &lock, screen, signals);
  }
  lock.remove();
  if (ending.failure) screen.error(ending.failure->facts());
  std::exit(static_cast<int>(ops::exit_code(ending, {})));
}

}  // namespace lockstep::test
