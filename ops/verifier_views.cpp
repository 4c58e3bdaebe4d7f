#include "ops/verifier_views.hpp"

#include <utility>

#include "model/error.hpp"

namespace lockstep::ops {

void VerifierViews::open(std::uint64_t barrier,
                         const std::function<void(postgres::Connection&)>& begin) {
  const std::lock_guard lock(mutex_);
  auto& view = views_[barrier % kVerifierViews];
  if (!view)
    throw Error({.code = "LS-V536",
                 .exit = ExitCode::unreachable,
                 .what = "the verifier has no connection to the target now",
                 .why = "its pass ended before its barrier came",
                 .data = "nothing was compared",
                 .todo = "nothing: the pass begins again by itself",
                 .retry = Retry::new_session});
  view->abort();
  begin(*view);
}

void VerifierViews::end_all() {
  const std::lock_guard lock(mutex_);
  for (auto& view : views_)
    if (view) view->abort();
}

void VerifierViews::connect(const std::function<postgres::Connection()>& connect) {
  for (auto& view : views_) {
    {
      const std::lock_guard lock(mutex_);
      if (view && view->alive()) {
        view->abort();
        continue;
      }
    }
    postgres::Connection opened = connect();  // apply does not wait for that
    const std::lock_guard lock(mutex_);
    view.reset();
    view.emplace(std::move(opened));
  }
}

void VerifierViews::cancel() {
  const std::lock_guard lock(mutex_);
  for (auto& view : views_)
    if (view) view->cancel();
}

}  // namespace lockstep::ops
