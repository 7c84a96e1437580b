#include "cuda/stream.h"

#include <algorithm>

#include "base/error.h"

namespace octet::cuda {
namespace {

/// Sizes whose graphs are kept: packed text comes in many lengths.
constexpr size_t kKeptGraphs = 256;

std::shared_ptr<CUgraph_st> end_capture(CUstream stream) {
  CUgraph graph = nullptr;
  check_cuda(driver().capture_end(stream, &graph), "recording a run");
  return {graph, [](CUgraph ended) { static_cast<void>(driver().graph_destroy(ended)); }};
}

}  // namespace

std::shared_ptr<CUevent_st> make_event(const Device& device) {
  device.make_current();
  CUevent event = nullptr;
  check_cuda(driver().event_create(&event, 0), "creating an event");
  return {event, [&device](CUevent old) {
            device.make_current();
            static_cast<void>(driver().event_destroy(old));
          }};
}

double elapsed_ms(const std::shared_ptr<CUevent_st>& from, const std::shared_ptr<CUevent_st>& to) {
  float milliseconds = 0;
  check_cuda(driver().event_elapsed(&milliseconds, from.get(), to.get()), "reading the clock");
  return milliseconds;
}

CUstream handle_of(const runtime::Stream* stream) {
  const auto* cuda_stream = dynamic_cast<const CudaStream*>(stream);
  check(cuda_stream != nullptr, "a CUDA kernel was given a stream of another backend");
  return cuda_stream->handle();
}

CudaStream::CudaStream(const Device& device)
    : device_(device),
      marks_{make_event(device), make_event(device), make_event(device), make_event(device)} {
  device.make_current();
  check_cuda(driver().stream_create(&stream_, kStreamNonBlocking), "creating a stream");
}

CudaStream::~CudaStream() {
  device_.make_current();
  static_cast<void>(driver().stream_wait(stream_));
  static_cast<void>(driver().stream_destroy(stream_));
}

std::shared_ptr<std::byte> CudaStream::allocate(size_t bytes) {
  return allocate_device(device_, bytes);
}

std::shared_ptr<std::byte> CudaStream::allocate_host(size_t bytes) {
  return allocate_pinned(device_, bytes);
}

void CudaStream::upload(std::byte* to, std::span<const std::byte> from) {
  device_.make_current();
  if (!began_) mark(marks_.begin);
  began_ = true;
  if (from.empty()) return;
  check_cuda(driver().copy_to_device(address_of(to), from.data(), from.size(), stream_),
             "copying to the device");
}

void CudaStream::download(std::span<std::byte> to, const std::byte* from) {
  device_.make_current();
  if (to.empty()) return;
  check_cuda(driver().copy_to_host(to.data(), address_of(from), to.size(), stream_),
             "copying from the device");
}

void CudaStream::run(std::span<const int64_t> sizes, const std::function<void()>& issue) {
  device_.make_current();
  const std::vector<int64_t> key(sizes.begin(), sizes.end());
  auto found = recorded_.find(key);
  if (found == recorded_.end()) {
    forget_oldest();
    found = recorded_.emplace(key, Recorded{record(issue), 0}).first;
  }
  found->second.used = ++runs_;
  if (!began_) mark(marks_.begin);
  began_ = true;
  mark(marks_.uploaded);
  check_cuda(driver().graph_launch(found->second.graph.get(), stream_), "running");
  mark(marks_.computed);
  computed_ = true;
}

std::shared_ptr<CUgraphExec_st> CudaStream::record(const std::function<void()>& issue) {
  check_cuda(driver().capture_begin(stream_, kCaptureThreadLocal), "recording a run");
  try {
    issue();
  } catch (...) {
    CUgraph broken = nullptr;
    if (driver().capture_end(stream_, &broken) == kCudaSuccess && broken != nullptr) {
      static_cast<void>(driver().graph_destroy(broken));
    }
    throw;
  }
  const std::shared_ptr<CUgraph_st> graph = end_capture(stream_);
  CUgraphExec executable = nullptr;
  check_cuda(driver().graph_instantiate(&executable, graph.get(), 0), "preparing a recorded run");
  return {executable, [this](CUgraphExec old) {
            device_.make_current();
            static_cast<void>(driver().graph_exec_destroy(old));
          }};
}

void CudaStream::forget_oldest() {
  if (recorded_.size() < kKeptGraphs) return;
  wait();
  recorded_.erase(
      std::ranges::min_element(recorded_, {}, [](const auto& entry) { return entry.second.used; }));
}

void CudaStream::mark(const std::shared_ptr<CUevent_st>& event) {
  check_cuda(driver().event_record(event.get(), stream_), "marking a moment");
}

void CudaStream::wait() {
  device_.make_current();
  if (began_) mark(marks_.end);
  check_cuda(driver().stream_wait(stream_), "running on the device");
  if (computed_) {
    times_ = {elapsed_ms(marks_.begin, marks_.uploaded) / 1e3,
              elapsed_ms(marks_.uploaded, marks_.computed) / 1e3,
              elapsed_ms(marks_.computed, marks_.end) / 1e3};
  }
  began_ = false;
  computed_ = false;
}

}  // namespace octet::cuda
