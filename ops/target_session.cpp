// One conversation of apply with capture: how it begins, what goes out and what comes in.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "link/postgres/identity.hpp"
#include "model/failpoint.hpp"
#include "ops/session_errors.hpp"
#include "ops/target_worker.hpp"

namespace lockstep::ops {

using apply::Phase;
using wire::Kind;
using wire::Message;

namespace {

std::uint64_t barrier_of(const BarrierMail::Request& request) {
  return request.kind == Kind::narrow ? wire::decode_narrow(request.body).barrier
                                      : wire::decode_barrier_wanted(request.body).barrier;
}

}  // namespace

Message TargetWorker::hello() {
  const bool copying = ledger_.phase == Phase::snapshot || ledger_.phase == Phase::catchup;
  return {Kind::hello, session_->id, 0,
          wire::encode_hello({options_.migration, options_.source_id, ledger_.position,
                              postgres::read_identity(*connection_), options_.accept_target,
                              copying ? apply::newest_seen(tables_) : std::nullopt, text_wish_})};
}

void TargetWorker::greet(const std::stop_token& stop) {
  // In one process nothing is ever lost, and nothing to be left behind.
  if (session_ && is_endpoint(options_.connect.endpoint)) dealer_.reopen();
  while (dealer_.receive()) {
  }
  session_.emplace(Session{++next_session_, 0, 0, wire::CreditWindow(options_.window)});
  const std::string greeting = encode(hello());
  const Deadline deadline(options_.answer_patience);
  while (!dealer_.send(greeting)) {  // over tcp nobody may be connected yet
    if (stop.stop_requested()) return;
    if (deadline.passed()) throw no_answer("nobody is connected");
    const std::array descriptors{stop_bell_.descriptor()};
    static_cast<void>(dealer_.wait(descriptors, Milliseconds{20}));
  }
  last_sent_ = steady_now();
  ++session_->sent;
  const auto answer = receive(stop, options_.answer_patience);
  if (stop.stop_requested()) return;
  if (!answer || answer->kind != Kind::welcome)
    throw no_answer(answer ? fmt::format("it sent {}", to_string(answer->kind))
                           : "no welcome in time");
  send(Kind::credit, wire::encode_credit(session_->window.open()));
  text_wish_.reset();
  wire::Welcome welcome = wire::decode_welcome(answer->body);
  board_.captured(welcome.newest);
  for (std::size_t i = 0; i < std::min(welcome.tables.size(), welcome.expected_rows.size()); ++i)
    board_.expect(welcome.tables[i].id, welcome.expected_rows[i]);
  meet_plans(std::move(welcome.tables));
  options_.accept_target = false;  // that was for this one alone
  if (welcome.in_doubt) verifier_.ask_for_all(*connection_);
  verifier_.mail().session_began();
  if (!blocked_) board_.stop_awaiting();
}

// A capture that was started anew knows nothing of this session, and says so when it hears of it.
void TargetWorker::ping() {
  constexpr Milliseconds kPingAfter{1'000};
  if (steady_now() - last_sent_ >= kPingAfter) send(Kind::credit, wire::encode_credit({}));
}

void TargetWorker::send(Kind kind, std::string body) {
  const Message message{kind, session_->id, session_->sent++, std::move(body)};
  last_sent_ = steady_now();
  if (dealer_.send(encode(message))) return;
  throw no_answer(fmt::format("a {} message found no way to it", to_string(kind)));
}

std::optional<Message> TargetWorker::receive(const std::stop_token& stop, Milliseconds patience) {
  constexpr Milliseconds kLook{250};  // whether it is time to ping
  const Deadline deadline(patience);
  while (!stop.stop_requested()) {
    // First: where commits take long there is always another message, and comparing would starve.
    send_verification();
    if (const auto frame = dealer_.receive()) {
      LOCKSTEP_FAILPOINT("apply.recv");
      Message message = wire::decode(*frame);
      if (message.session != session_->id) continue;  // left over from an earlier session
      if (message.number != session_->received++)
        throw lost_message("capture", message.number, session_->received - 1);
      if (message.kind == Kind::refusal) throw refusal_of_capture(message.body);
      if (message.kind == Kind::bye) throw session_ended();
      const wire::Credit credit = session_->window.consumed(message.body.size());
      if (credit.messages > 0 || credit.bytes > 0) send(Kind::credit, wire::encode_credit(credit));
      board_.target_reports();
      return message;
    }
    board_.target_reports();
    ping();
    if (deadline.passed()) return std::nullopt;
    const std::array descriptors{connection_->descriptor(), stop_bell_.descriptor(),
                                 verifier_.mail().descriptor()};
    const wire::Woken woken = dealer_.wait(descriptors, std::min(kLook, deadline.left()));
    if (!woken.message && !woken.readable.empty() && woken.readable[0]) check_connection();
  }
  return std::nullopt;
}

// The server speaks unasked only to say that it is going, or to pass on a notice: a round trip
// tells which. In the middle of a COPY there is nothing to ask; the next row will find out.
void TargetWorker::check_connection() {
  if (!connection_->idle()) {
    std::this_thread::sleep_for(Milliseconds{1});
    return;
  }
  connection_->exec("SELECT 1");
}

void TargetWorker::send_verification() {
  for (BarrierMail::Request& request : verifier_.mail().take_requests()) {
    if (wire::fits_message(request.body))
      send(request.kind, std::move(request.body));
    else
      verifier_.mail().answer({barrier_of(request),
                               request.kind,
                               {},
                               {},
                               too_large_to_compare(request.kind, request.body.size()).facts()});
  }
}

// What came before it has been applied, and what comes behind it waits for us: so the view that is
// opened here is that of the barrier.
void TargetWorker::handle_verification(const Message& message) {
  if (message.kind == Kind::barrier)
    verifier_.open_view(wire::decode_barrier(message.body));
  else
    verifier_.mail().received(message.kind, message.body);
}

void TargetWorker::serve_verifier() {
  verifier_.look_for_pass(*connection_);
}

}  // namespace lockstep::ops
