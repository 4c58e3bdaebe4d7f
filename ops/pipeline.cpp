#include "ops/pipeline.hpp"

#include <pthread.h>

#include <utility>

#include "ops/workers.hpp"

namespace lockstep::ops {

namespace {

constexpr char kEndpoint[] = "inproc://lockstep";

// On a connection of its own, for a moment: the other thread has that of the target.
LookAtTarget looking_at(const postgres::Dsn& dsn, const std::string& schema) {
  return [dsn, schema] {
    return view_of(
        std::make_shared<postgres::Connection>(postgres::Connection::open(dsn, "catalog")), schema);
  };
}

}  // namespace

Pipeline::Pipeline(Prepared prepared, Board& board, capture::PruneLimits prune) {
  SourceOptions source{.path = prepared.path,
                       .listen = {kEndpoint, std::nullopt},
                       .installed = prepared.installed,
                       .prune = prune,
                       .look_at_target = looking_at(prepared.connection.dsn(), prepared.schema)};
  TargetOptions target{.dsn = prepared.connection.dsn(),
                       .connect = {kEndpoint, std::nullopt},
                       .migration = prepared.migration,
                       .schema = prepared.schema,
                       .source_id = prepared.installed.source_id,
                       .accept_target = prepared.accept_target,
                       .after_snapshot = prepared.hooks.after_snapshot,
                       .guard = prepared.guard,
                       .continuous = prepared.continuous,
                       .dual_write = prepared.dual_write};
  source_ = std::make_unique<SourceWorker>(context_, std::move(source), board);
  target_ = std::make_unique<TargetWorker>(context_, std::move(target),
                                           std::move(prepared.connection), board);
  source_thread_ = std::jthread(
      [this, &board](const std::stop_token& stop) { run_worker(*source_, stop, board); });
  target_thread_ = std::jthread(
      [this, &board](const std::stop_token& stop) { run_worker(*target_, stop, board); });
  pthread_setname_np(source_thread_.native_handle(), "capture-0");
  pthread_setname_np(target_thread_.native_handle(), "apply-0");
}

Pipeline::~Pipeline() {
  target_thread_.request_stop();
  target_->cancel();
  target_thread_.join();
  source_thread_.request_stop();
  source_thread_.join();
}

}  // namespace lockstep::ops
