// What a Context holds; for the sources of this folder only.
#pragma once

#include <zmq.hpp>

#include "link/wire/socket.hpp"

namespace lockstep::wire {

struct Context::Impl {
  zmq::context_t zmq;
};

}  // namespace lockstep::wire
