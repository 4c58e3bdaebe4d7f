// One conversation of capture with apply: how it begins, what is confirmed in it, what goes out.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "model/failpoint.hpp"
#include "ops/session_errors.hpp"
#include "ops/source_worker.hpp"
#include "ops/text_columns.hpp"

namespace lockstep::ops {

using wire::Kind;
using wire::Message;

void SourceWorker::start_session(const std::string& peer, const Message& message) {
  const wire::Hello hello = wire::decode_hello(message.body);
  if (hello.intended_target && !hello.accept_target &&
      refuses_target(peer, message.session, *hello.intended_target))
    return;
  session_.reset();
  verifier_.reset();
  reader_->request({});
  tail_->rowids_known(rowids_known_);
  tail_->copied_elsewhere(other_file_ && hello.seen.has_value());
  session_.emplace();
  session_->peer = peer;
  session_->id = message.session;
  session_->received = 1;
  heard_ = steady_now();
  session_->credit.grant({.bytes = 1, .messages = 1});  // for the welcome itself
  if (!hello.source_id.empty() && (hello.source_id != options_.installed.source_id ||
                                   hello.migration != options_.installed.migration))
    throw Error({.code = "LS-R708",
                 .exit = ExitCode::busy,
                 .what = "the target's ledger belongs to another source",
                 .why = fmt::format("it knows source {}, this file is {}", hello.source_id,
                                    options_.installed.source_id),
                 .data = "nothing was sent",
                 .todo = "check both paths with lockstep status"});
  if (hello.target) target_memory_.meet(*hello.target, hello.accept_target);
  if (hello.position) {
    tail_->prove(*hello.position);
    session_->greeted = hello.position;
    acked_ = hello.position;
    if (options_.alone) board_.resumed(*hello.position);
  }
  if (hello.seen) tail_->prove(*hello.seen);
  session_->seen = hello.seen;
  if (!hello.becomes_text) text_refused_.reset();
  if (hello.becomes_text) hear_text_wish(*hello.becomes_text);
  if (options_.alone) {
    board_.phase("serving", false);
    board_.stop_awaiting();
  }
  enqueue(Kind::welcome, wire::encode_welcome(welcome()));
}

// Whoever would write to another database hears of it before it does, and takes the session from
// nobody.
bool SourceWorker::refuses_target(const std::string& peer, std::uint64_t session,
                                  const TargetIdentity& intended) {
  const std::optional<Error> error = target_memory_.objection(intended);
  if (!error) return false;
  const Message refusal{Kind::refusal, session, 0, wire::encode_refusal(error->facts())};
  static_cast<void>(router_.send(peer, encode(refusal)));
  return true;
}

// A column becomes text where the schema is followed: when the source is opened. Whoever asks
// waits, or asks again; once it has another type than what did not hold the value, that is
// answered.
void SourceWorker::hear_text_wish(const wire::TextWish& wish) {
  if (text_refused_) throw Error(*std::exchange(text_refused_, std::nullopt));
  if (!is_wanted(options_.installed, wish)) return;
  text_wish_ = wish;
  throw Error({.code = "LS-S306",
               .exit = ExitCode::stopped,
               .what = fmt::format("column {} becomes text", wish.column),
               .why = "a value came that its type cannot hold, and its on_bad_value is text",
               .data = "its table is read anew",
               .todo = "nothing; lockstep goes on",
               .retry = Retry::new_session});
}

// Here a wrong position costs its sender the session; a batch that met it later would end capture.
void SourceWorker::follow_from(const Position& position) {
  tail_->prove(position);
  session_->followed = position;
}

// What it confirms may be pruned: so it must have been sent.
void SourceWorker::handle_ack(const Position& position) {
  const auto& last = session_->followed ? session_->followed : session_->greeted;
  if (!last || position.era != last->era || position.seq > last->seq)
    throw false_ack(to_string(position));
  // One ack for each batch: two of them can end at the same change.
  if (!session_->in_flight.empty()) {
    const CaptureSession::InFlight& settled = session_->in_flight.front();
    if (settled.rowids_version) rowids_durable(*settled.rowids_version);
    board_.schema_settled(settled.schema_version);
    session_->in_flight.pop_front();
  }
  if (options_.alone && !session_->warm) board_.phase("streaming", true);
  session_->warm = true;
  session_->told_idle = false;
  acked_ = position;
  target_memory_.keep();
  board_.acked(position);
  poll_now_ = true;
  LOCKSTEP_FAILPOINT("cap.acked");
}

// True if everything went out. What does not go now waits for credit: the queue below never fills
// up unseen.
bool SourceWorker::flush_outbox() {
  CaptureSession& session = *session_;
  while (!session.outbox.empty()) {
    if (!session.credit.may_send()) return false;
    switch (router_.send(session.peer, session.outbox.front())) {
      case wire::Router::Sent::yes:
        break;
      case wire::Router::Sent::queue_full:
        return false;
      case wire::Router::Sent::peer_gone:
        session_.reset();
        return false;
    }
    session.credit.spend(session.outbox.front().size() - wire::kHeaderBytes);
    session.outbox.pop_front();
    LOCKSTEP_FAILPOINT("cap.sent");
  }
  return true;
}

void SourceWorker::enqueue(Kind kind, std::string body) {
  CaptureSession& session = *session_;
  session.outbox.push_back(encode(Message{kind, session.id, session.sent++, std::move(body)}));
}

// What waited there for credit was numbered and is not sent: the next message takes its place.
std::uint64_t SourceWorker::end_outbox() {
  const std::uint64_t number = session_->sent - session_->outbox.size();
  session_->outbox.clear();
  return number;
}

void SourceWorker::enqueue_fragments(Kind kind, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t size = std::min(bytes.size(), wire::kFragmentBytesTarget);
    enqueue(kind, std::string(bytes.substr(0, size)));
    bytes.remove_prefix(size);
  }
}

// Whatever its version makes of the message, it sees in the header which one we speak.
void SourceWorker::refuse_stranger(const std::string& peer, const Error& error) {
  const Message refusal{Kind::refusal, 0, 0, wire::encode_refusal(error.facts())};
  static_cast<void>(router_.send(peer, encode(refusal)));
}

void SourceWorker::refuse(const Error& error) {
  if (!session_) return;
  const Message refusal{Kind::refusal, session_->id, end_outbox(),
                        wire::encode_refusal(error.facts())};
  // Past all credit: the session is over, and one message always fits.
  static_cast<void>(router_.send(session_->peer, encode(refusal)));
  session_.reset();
}

}  // namespace lockstep::ops
