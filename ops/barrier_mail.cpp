#include "ops/barrier_mail.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "link/wire/verification.hpp"

namespace lockstep::ops {

using wire::Kind;

namespace {

Error session_is_lost() {
  return Error({.code = "LS-V506",
                .exit = ExitCode::stopped,
                .what = "capture cannot be asked for the source's side now",
                .why = "its session is over",
                .data = "nothing is claimed of the range that was being compared",
                .todo = "nothing; the pass goes on with that range in the next session",
                .retry = Retry::new_session});
}

}  // namespace

void BarrierMail::session_began() {
  const std::lock_guard lock(mutex_);
  ++session_;
  open_ = true;
  requests_.clear();
  answers_.clear();
  came_.notify_all();
}

void BarrierMail::session_lost() {
  const std::lock_guard lock(mutex_);
  open_ = false;
  requests_.clear();  // not for those who come next
  came_.notify_all();
}

void BarrierMail::received(Kind kind, std::string body) {
  Answer one{0, kind, std::move(body), {}, std::nullopt};
  if (kind == Kind::barrier_failed) {
    wire::BarrierFailed failed = wire::decode_barrier_failed(one.body);
    one.barrier = failed.barrier;
    one.failure = std::move(failed.error);
  } else if (kind == Kind::digests) {
    one.barrier = wire::decode_digests(one.body).barrier;
  } else if (kind == Kind::block_rows) {
    one.barrier = wire::decode_block_rows(one.body).barrier;
  } else if (kind == Kind::query_answers) {
    one.barrier = wire::decode_query_answers(one.body).barrier;
  } else {
    one.barrier = wire::decode_shown_rows(one.body).barrier;
  }
  answer(std::move(one));
}

void BarrierMail::answer(Answer answer) {
  const std::lock_guard lock(mutex_);
  answers_.push_back(std::move(answer));
  came_.notify_all();
}

std::vector<BarrierMail::Request> BarrierMail::take_requests() {
  bell_.silence();
  const std::lock_guard lock(mutex_);
  std::vector<Request> requests(std::make_move_iterator(requests_.begin()),
                                std::make_move_iterator(requests_.end()));
  requests_.clear();
  return requests;
}

std::optional<std::uint64_t> BarrierMail::wait_for_session(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (!came_.wait(lock, stop, [&] { return open_; })) return std::nullopt;
  return session_;
}

void BarrierMail::request(Kind kind, std::string body) {
  {
    const std::lock_guard lock(mutex_);
    if (!open_) return;  // await() says that the session is over
    requests_.push_back({kind, std::move(body)});
  }
  bell_.ring();
}

BarrierMail::Answer BarrierMail::await(std::uint64_t session, std::uint64_t barrier, Kind kind,
                                       const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  auto found = answers_.end();
  came_.wait(lock, stop, [&] {
    found = std::find_if(answers_.begin(), answers_.end(), [&](const Answer& answer) {
      return answer.barrier == barrier && (answer.kind == kind || answer.failure);
    });
    return found != answers_.end() || !open_ || session_ != session;
  });
  if (stop.stop_requested() || !open_ || session_ != session) throw session_is_lost();
  Answer answer = std::move(*found);
  answers_.erase(found);
  if (answer.failure) throw Error(*answer.failure);
  return answer;
}

}  // namespace lockstep::ops
