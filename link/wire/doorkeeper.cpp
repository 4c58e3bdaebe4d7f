#include "link/wire/doorkeeper.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "link/wire/bell.hpp"
#include "link/wire/context_impl.hpp"
#include "link/wire/keys.hpp"
#include "model/error.hpp"

namespace lockstep::wire {

namespace {

using Parts = std::vector<std::string>;

// version, request id, domain, address, routing id, mechanism, credentials
enum Part : std::size_t { version, request, domain, address, routing_id, mechanism, credentials };
constexpr std::size_t kPartsMin = 6;

Parts receive_all(zmq::socket_t& socket) {
  Parts parts;
  zmq::message_t part;
  do {
    if (zmq_msg_recv(part.handle(), socket.handle(), ZMQ_DONTWAIT) < 0) return {};
    parts.push_back(part.to_string());
  } while (part.more());
  return parts;
}

/// Why the client is turned away; empty: it may come in.
std::string objection(const Parts& parts, const std::string& allow) {
  if (parts[domain] != kZapDomain || parts[mechanism] != "CURVE") return "it does not use CURVE";
  if (parts.size() != kPartsMin + 1 || parts[credentials].size() != kKeyBytes)
    return "it has no key";
  std::array<char, kZ85Bytes + 1> z85{};
  zmq_z85_encode(z85.data(), reinterpret_cast<const std::uint8_t*>(parts[credentials].data()),
                 kKeyBytes);
  const std::string key(z85.data());
  try {
    const std::vector<std::string> allowed = read_allowed_keys(allow);
    if (std::find(allowed.begin(), allowed.end(), key) != allowed.end()) return {};
  } catch (const Error& error) {
    return fmt::format("the list of allowed keys cannot be used: {}: {}", error.facts().what,
                       error.facts().why);
  }
  return fmt::format("its key {} is not allowed", fingerprint(key));
}

}  // namespace

struct Doorkeeper::Impl {
  Impl(zmq::context_t& context, std::string list)
      : allow(std::move(list)), socket(context, zmq::socket_type::rep) {
    socket.set(zmq::sockopt::linger, 0);
    socket.bind("inproc://zeromq.zap.01");
  }

  void answer(const Parts& parts) {
    if (parts.size() < kPartsMin) return;
    const std::string why = objection(parts, allow);
    if (!why.empty()) {  // counted before the client knows: the proof's own is forgotten afterwards
      const std::lock_guard lock(mutex);
      ++refused.count;
      refused.last = fmt::format("{}: {}", parts[address], why);
    }
    const std::array<std::string, 6> reply{
        "1.0", parts[request], why.empty() ? "200" : "400", why.empty() ? "OK" : "not allowed", "",
        ""};
    for (std::size_t i = 0; i < reply.size(); ++i)
      zmq_send(socket.handle(), reply[i].data(), reply[i].size(),
               i + 1 < reply.size() ? ZMQ_SNDMORE : 0);
  }

  void serve(const std::stop_token& stop) {
    const std::stop_callback ring(stop, [this] { bell.ring(); });
    while (!stop.stop_requested()) {
      std::array<zmq_pollitem_t, 2> items{
          {{socket.handle(), 0, ZMQ_POLLIN, 0}, {nullptr, bell.descriptor(), ZMQ_POLLIN, 0}}};
      if (zmq_poll(items.data(), static_cast<int>(items.size()), 1'000) < 0) continue;
      if (items[0].revents != 0) answer(receive_all(socket));
    }
  }

  std::string allow;
  zmq::socket_t socket;  // after the constructor, the thread's
  Bell bell;
  mutable std::mutex mutex;
  Refusals refused;
  std::jthread thread;  // last: it is joined before anything else goes
};

Doorkeeper::Doorkeeper(Context& context, std::string allow)
    : impl_(std::make_unique<Impl>(context.impl().zmq, std::move(allow))) {
  impl_->thread =
      std::jthread([impl = impl_.get()](const std::stop_token& stop) { impl->serve(stop); });
  pthread_setname_np(impl_->thread.native_handle(), "zap-0");
}

Doorkeeper::~Doorkeeper() = default;

Refusals Doorkeeper::refusals() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->refused;
}

void Doorkeeper::forget_refusals() {
  const std::lock_guard lock(impl_->mutex);
  impl_->refused = {};
}

}  // namespace lockstep::wire
