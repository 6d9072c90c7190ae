#include "thread_pool.h"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace keras_phase {
namespace {

// Helpers look for work this often before they sleep: waking one up takes longer than many a call.
constexpr int kSpins = 10000;

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// One job at a time. `state` is the job's number and its next free part, in one word, so that a
// helper that comes late cannot take a part of another job; nobody waits for helpers that have
// taken nothing.
struct Pool {
  static constexpr uint64_t kClosed = 0xffffffff;

  std::mutex busy;  // held by the caller whose job this is
  std::mutex mutex;
  std::condition_variable wake;
  int helpers = 0;
  std::atomic<uint64_t> state{kClosed};
  std::atomic<void (*)(void*, int)> work{nullptr};
  std::atomic<void*> context{nullptr};
  std::atomic<int> parts{0};
  std::atomic<int> done{0};

  static uint64_t Job(uint64_t state) { return state >> 32; }

  void Start(int num_parts, void (*function)(void*, int), void* argument) {
    const uint64_t job = Job(state.load()) + 1;
    state.store(job << 32 | kClosed);  // no part can be taken while the fields change
    work.store(function);
    context.store(argument);
    parts.store(num_parts);
    done.store(0);
    {
      std::lock_guard<std::mutex> lock(mutex);
      state.store((job + 1) << 32);
    }
    wake.notify_all();
  }

  // Works until no part is free; returns the number of the job that was seen last.
  uint64_t TakeParts() {
    uint64_t seen = state.load();
    for (;;) {
      const uint64_t part = seen & kClosed;
      if (part >= static_cast<uint64_t>(parts.load())) return Job(seen);
      if (!state.compare_exchange_weak(seen, seen + 1)) continue;
      work.load()(context.load(), static_cast<int>(part));
      done.fetch_add(1);
      seen = state.load();
    }
  }

  void Help() {
    for (;;) {
      const uint64_t seen = TakeParts();
      for (int i = 0; i < kSpins && Job(state.load()) == seen; ++i) Pause();
      std::unique_lock<std::mutex> lock(mutex);
      wake.wait(lock, [&] { return Job(state.load()) != seen; });
    }
  }
};

std::atomic<int> num_threads{1};
// Never freed: helpers sleep in it until the process ends.
std::atomic<Pool*> pool{nullptr};

// After fork only the caller lives on in the child: its pool starts anew.
void ForgetPool() { pool.store(new Pool); }

Pool* ThePool() {
  static const bool once = [] {
    pool.store(new Pool);
    pthread_atfork(nullptr, nullptr, ForgetPool);
    return true;
  }();
  (void)once;
  return pool.load();
}

}  // namespace

void SetNumThreads(int n) { num_threads.store(n < 1 ? 1 : n); }

int NumThreads() { return num_threads.load(); }

void RunParts(int parts, void (*work)(void*, int), void* context) {
  Pool* p = parts > 1 && NumThreads() > 1 ? ThePool() : nullptr;
  std::unique_lock<std::mutex> busy;
  if (p != nullptr) busy = std::unique_lock<std::mutex>(p->busy, std::try_to_lock);
  if (!busy.owns_lock()) {
    for (int part = 0; part < parts; ++part) work(context, part);
    return;
  }
  while (p->helpers < NumThreads() - 1) {
    std::thread(&Pool::Help, p).detach();
    ++p->helpers;
  }
  p->Start(parts, work, context);
  p->TakeParts();
  for (int i = 0; p->done.load() < parts; ++i) {
    if (i < kSpins) {
      Pause();
    } else {
      std::this_thread::yield();  // the helper may have lost its processor
    }
  }
}

}  // namespace keras_phase
