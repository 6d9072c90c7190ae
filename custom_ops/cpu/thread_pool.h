// A few threads that share one piece of work at a time.
#ifndef KERAS_PHASE_THREAD_POOL_H_
#define KERAS_PHASE_THREAD_POOL_H_

namespace keras_phase {

// Number of threads that work on one call, the caller among them; at least 1.
void SetNumThreads(int num_threads);
int NumThreads();

// Calls work(context, part) once for each part 0 .. parts - 1 and returns when all are done.
//
// A caller that finds the pool at work does its parts alone: several callers never use more
// threads than the pool has, beyond themselves, and cannot wait for each other.
void RunParts(int parts, void (*work)(void* context, int part), void* context);

}  // namespace keras_phase

#endif  // KERAS_PHASE_THREAD_POOL_H_
