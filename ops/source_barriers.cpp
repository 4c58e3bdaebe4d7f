// Capture's part of comparisons: hands read views of the source to the verifier, and its answers
// on.
#include "model/failpoint.hpp"
#include "ops/session_errors.hpp"
#include "ops/source_worker.hpp"

namespace lockstep::ops {

// Everything up to the view's position has been sent; what is said here comes behind it.
void SourceWorker::begin_barrier(capture::View view) {
  const Milliseconds patience = sqlite::Pace(view.database(), options_.batch.pace).slice();
  enqueue(wire::Kind::barrier, verifier_.begin(std::move(view), tail_->tables(), patience));
  LOCKSTEP_FAILPOINT("verify.handed_over");
}

// Nothing is to be sent before it: the view is that of the last batch, or nothing has changed.
void SourceWorker::begin_barrier_at_rest() {
  if (!verifier_.wants_view()) return;
  if (auto view = tail_->hand_over(*session_->followed)) begin_barrier(std::move(*view));
}

// With a rollback journal a batch's view cannot be kept while it is made durable: that would keep
// the application waiting for the disk.
void SourceWorker::tell_waiting_barrier() {
  const bool waits = tail_ && verifier_.wants_view();
  if (waits == barrier_told_) return;
  barrier_told_ = waits;
  board_.barrier_waits(!waits ? ""
                       : tail_->in_wal_mode()
                           ? "what was written before is on its way to the target"
                           : "the source has a rollback journal: a comparison gets its view only "
                             "between two commits of the application, when everything is sent "
                             "(with a WAL it need not wait for that)");
}

// A comparison never stops its worker: an answer that does not fit a message fails its barrier.
void SourceWorker::answer_barrier(std::uint64_t barrier, SourceVerifier::Reply reply) {
  if (!wire::fits_message(reply.body)) {
    const Error error = too_large_to_compare(reply.kind, reply.body.size());
    reply = {wire::Kind::barrier_failed, wire::encode_barrier_failed({barrier, error.facts()})};
  }
  enqueue(reply.kind, std::move(reply.body));
}

bool SourceWorker::send_verified() {
  bool any = false;
  for (SourceVerifier::Finished& finished : verifier_.take_finished()) {
    if (!finished.reply) continue;  // of another session, perhaps of another tail
    if (session_) answer_barrier(finished.barrier, std::move(*finished.reply));
    if (tail_) tail_->take_back(std::move(finished.view));
    any = true;
    poll_now_ = true;  // for the next barrier
  }
  return any;
}

void SourceWorker::handle_verification(const wire::Message& message) {
  if (message.kind == wire::Kind::barrier_wanted) {
    verifier_.want(wire::decode_barrier_wanted(message.body));
    LOCKSTEP_FAILPOINT("verify.wanted");
    poll_now_ = true;
    return;
  }
  const wire::Narrow narrow = wire::decode_narrow(message.body);
  for (SourceVerifier::Reply& reply : verifier_.narrow(narrow))
    answer_barrier(narrow.barrier, std::move(reply));
}

}  // namespace lockstep::ops
