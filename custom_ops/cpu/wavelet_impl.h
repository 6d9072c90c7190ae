// The wavelet-modulus kernels of one instruction set; included behind kernels_impl.h, whose rules
// hold here too.
//
// An image is worked on row by row of the output. The rows of the input that the window covers lie in
// a ring, each cut into its columns 0, s, 2s, ..., then 1, s + 1, ... for a stride s, with the
// channels of a column side by side. So under every place of the window the inputs of a whole row of
// outputs are one contiguous line, whatever the stride and the number of channels.

#include <type_traits>

#include "keras_phase/wavelet_modulus.h"

namespace keras_phase {
namespace KERAS_PHASE_SET {

// Filters at once: real and imaginary sums of all of them stay in registers.
constexpr int kFilters = KERAS_PHASE_BYTES == 64 ? 8 : 4;
constexpr int kMaxTerms = 4096;

template <typename T>
struct Ring {
  using V = typename Simd<T>::Vector;

  const WaveletModulus<T>& p;
  int64_t begin, channels;         // of this task
  int64_t part, line, row, width;  // distances, and the places of a padded row
  T* data;

  Ring(const WaveletModulus<T>& problem, int64_t begin, int64_t end, T* scratch)
      : p(problem), begin(begin), channels(end - begin), data(scratch) {
    width = (p.out_width - 1) * p.column_stride + p.window_width;
    line = RoundUp(((width + p.column_stride - 1) / p.column_stride) * channels, Simd<T>::kLanes) +
           Simd<T>::kLanes;
    part = line * p.column_stride;
    row = part * p.parts;
  }

  static int64_t Size(const WaveletModulus<T>& p, int64_t channels) {
    return Ring(p, 0, channels, nullptr).row * p.window_height;
  }

  T* At(int64_t padded_row, int64_t column) const {
    return data + padded_row % p.window_height * row + column % p.column_stride * line +
           column / p.column_stride * channels;
  }

  void Clear(int64_t padded_row) const {
    T* to = data + padded_row % p.window_height * row;
    for (int64_t i = 0; i < row; ++i) to[i] = 0;
  }

  // The row of the image under a row of the padded one.
  void Load(int64_t image, int64_t padded_row) const {
    Clear(padded_row);
    if (p.rows[padded_row] < 0) return;
    const T* from = p.x + (image * p.height + p.rows[padded_row]) * p.width * p.parts * p.channels;
    for (int64_t j = 0; j < width; ++j) {
      if (p.columns[j] < 0) continue;
      for (int k = 0; k < p.parts; ++k) {
        const T* source = from + (p.columns[j] * p.parts + k) * p.channels + begin;
        T* to = At(padded_row, j) + k * part;
        for (int64_t c = 0; c < channels; ++c) to[c] = source[c];
      }
    }
  }

  // Adds a row of gradients to the row of the image that it belongs to.
  void Flush(int64_t image, int64_t padded_row) const {
    if (p.rows[padded_row] < 0) return;
    T* to = p.out + (image * p.height + p.rows[padded_row]) * p.width * p.parts * p.channels;
    for (int64_t j = 0; j < width; ++j) {
      if (p.columns[j] < 0) continue;
      for (int k = 0; k < p.parts; ++k) {
        T* target = to + (p.columns[j] * p.parts + k) * p.channels + begin;
        const T* from = At(padded_row, j) + k * part;
        for (int64_t c = 0; c < channels; ++c) target[c] += from[c];
      }
    }
  }

  // Where each term's line begins for a row of outputs.
  void Find(int64_t out_row, T** first, T** second) const {
    for (int t = 0; t < p.terms; ++t) {
      first[t] = At(out_row * p.row_stride + p.first[t] / p.window_width,
                    p.first[t] % p.window_width);
      if (t < p.pairs) {
        second[t] = At(out_row * p.row_stride + p.second[t] / p.window_width,
                       p.second[t] % p.window_width);
      }
    }
  }
};

// Responses of filters f .. f + N for one vector of outputs. With kParts = 0 of a real signal, and only
// their real parts.
template <typename T, int N, int kParts>
static inline void Respond(const WaveletModulus<T>& p, int f, T* const* first, T* const* second,
                           int64_t place, int64_t part, typename Simd<T>::Vector* re,
                           typename Simd<T>::Vector* im) {
  using V = typename Simd<T>::Vector;
  V r[N], i[N];
  for (int n = 0; n < N; ++n) r[n] = i[n] = V{};
  const T* real = p.real + f;
  const T* imag = p.imag + f;
  for (int t = 0; t < p.terms; ++t, real += p.filters, imag += p.filters) {
    const V a = Simd<T>::Load(first[t] + place);
    V sum = a, difference = a;
    if (t < p.pairs) {
      const V b = Simd<T>::Load(second[t] + place);
      sum = a + b;
      difference = a - b;
    }
    for (int n = 0; n < N; ++n) {
      r[n] += real[n] * sum;
      if (kParts > 0) i[n] += imag[n] * difference;
    }
    if (kParts == 2) {
      const V c = Simd<T>::Load(first[t] + part + place);
      V sum_i = c, difference_i = c;
      if (t < p.pairs) {
        const V e = Simd<T>::Load(second[t] + part + place);
        sum_i = c + e;
        difference_i = c - e;
      }
      for (int n = 0; n < N; ++n) {
        r[n] -= imag[n] * difference_i;
        i[n] += real[n] * sum_i;
      }
    }
  }
  for (int n = 0; n < N; ++n) re[n] = r[n], im[n] = i[n];
}

// The square below which an element counts as zero, in both dtypes the smallest normal number.
template <typename T>
constexpr T kTiny = sizeof(T) == 4 ? T(1.17549435e-38f) : T(2.2250738585072014e-308);

template <typename T>
static inline T Root(T x) {
  return sizeof(T) == 4 ? T(__builtin_sqrtf(x)) : T(__builtin_sqrt(x));
}

// As many filters at once as there are.
template <typename Row>
static inline void ByFilters(int filters, Row row) {
  int f = 0;
  for (; f + kFilters <= filters; f += kFilters) row(std::integral_constant<int, kFilters>(), f);
  for (; f + 4 <= filters; f += 4) row(std::integral_constant<int, 4>(), f);
  for (; f + 2 <= filters; f += 2) row(std::integral_constant<int, 2>(), f);
  for (; f < filters; ++f) row(std::integral_constant<int, 1>(), f);
}

template <typename T, int N, int kParts>
static void ModuliOfRow(const Ring<T>& ring, int f, T* const* first, T* const* second, T* lines,
                        int64_t size, int64_t stride) {
  constexpr int kLanes = Simd<T>::kLanes;
  typename Simd<T>::Vector re[N], im[N];
  if (ring.p.result != Result::kModulus) {
    T* imaginary = lines + ring.p.filters * stride;
    for (int64_t place = 0; place < size; place += kLanes) {
      Respond<T, N, kParts>(ring.p, f, first, second, place, ring.part, re, im);
      for (int n = 0; n < N; ++n) {
        Simd<T>::Store(lines + (f + n) * stride + place, re[n]);
        if (kParts > 0) Simd<T>::Store(imaginary + (f + n) * stride + place, im[n]);
      }
    }
    return;
  }
  for (int64_t place = 0; place < size; place += kLanes) {
    Respond<T, N, kParts>(ring.p, f, first, second, place, ring.part, re, im);
    for (int n = 0; n < N; ++n) {
      Simd<T>::Store(lines + (f + n) * stride + place, re[n] * re[n] + im[n] * im[n]);
    }
  }
  // A loop of its own: the compiler has no square root of a vector, but of a line.
  for (int n = 0; n < N; ++n) {
    T* line = lines + (f + n) * stride;
    for (int64_t i = 0; i < size; ++i) line[i] = line[i] < kTiny<T> ? T{0} : Root(line[i]);
  }
}

// lines[f], one a filter, to out (places, filters).
template <typename T>
static void FromLines(const T* lines, int64_t stride, int64_t size, int filters, T* out) {
  typedef T Four __attribute__((vector_size(4 * sizeof(T)), aligned(sizeof(T)), may_alias));
  typedef typename Integer<T>::Type Index __attribute__((vector_size(4 * sizeof(T))));
  int f = 0;
  for (; f + 4 <= filters; f += 4) {
    int64_t i = 0;
    for (; i + 4 <= size; i += 4) {
      const T* from = lines + f * stride + i;
      const Four a = *reinterpret_cast<const Four*>(from);
      const Four b = *reinterpret_cast<const Four*>(from + stride);
      const Four c = *reinterpret_cast<const Four*>(from + 2 * stride);
      const Four d = *reinterpret_cast<const Four*>(from + 3 * stride);
      const Four ab0 = __builtin_shuffle(a, b, Index{0, 4, 1, 5});
      const Four ab1 = __builtin_shuffle(a, b, Index{2, 6, 3, 7});
      const Four cd0 = __builtin_shuffle(c, d, Index{0, 4, 1, 5});
      const Four cd1 = __builtin_shuffle(c, d, Index{2, 6, 3, 7});
      T* to = out + i * filters + f;
      *reinterpret_cast<Four*>(to) = __builtin_shuffle(ab0, cd0, Index{0, 1, 4, 5});
      *reinterpret_cast<Four*>(to + filters) = __builtin_shuffle(ab0, cd0, Index{2, 3, 6, 7});
      *reinterpret_cast<Four*>(to + 2 * filters) = __builtin_shuffle(ab1, cd1, Index{0, 1, 4, 5});
      *reinterpret_cast<Four*>(to + 3 * filters) = __builtin_shuffle(ab1, cd1, Index{2, 3, 6, 7});
    }
    for (; i < size; ++i) {
      for (int n = 0; n < 4; ++n) out[i * filters + f + n] = lines[(f + n) * stride + i];
    }
  }
  for (; f < filters; ++f) {
    for (int64_t i = 0; i < size; ++i) out[i * filters + f] = lines[f * stride + i];
  }
}

template <typename T>
static int64_t LineStride(const WaveletModulus<T>& p, int64_t channels) {
  return RoundUp(p.out_width * channels, Simd<T>::kLanes) + Simd<T>::kLanes;
}

// Numbers of a result: a complex response has two.
template <typename T>
static int Kinds(const WaveletModulus<T>& p) {
  return p.result == Result::kResponse ? 2 : 1;
}

template <typename T>
static size_t WaveletScratch(const WaveletModulus<T>& p, int64_t channels) {
  return 2 * Ring<T>::Size(p, channels) + Kinds(p) * p.filters * LineStride<T>(p, channels);
}

template <typename T, int kParts>
static void Forward(const WaveletModulus<T>& p, int64_t image, int64_t begin, int64_t end,
                    T* scratch) {
  const Ring<T> ring(p, 0, p.channels, scratch);
  T* lines = scratch + ring.row * p.window_height;
  const int64_t size = p.out_width * p.channels, stride = LineStride<T>(p, p.channels);
  T *first[kMaxTerms], *second[kMaxTerms];
  int64_t loaded = 0;
  for (int64_t y = begin; y < end; ++y) {
    const int64_t top = y * p.row_stride;
    for (loaded = loaded > top ? loaded : top; loaded < top + p.window_height; ++loaded) {
      ring.Load(image, loaded);
    }
    ring.Find(y, first, second);
    ByFilters(p.filters, [&](auto n, int f) {
      ModuliOfRow<T, n(), kParts>(ring, f, first, second, lines, size, stride);
    });
    T* out = p.out + (image * p.out_height + y) * size * p.filters;
    FromLines(lines, stride, size, p.filters, out);
    if (Kinds(p) == 2) {
      FromLines(lines + p.filters * stride, stride, size, p.filters,
                out + p.batch * p.out_height * size * p.filters);
    }
  }
}

template <typename T, int N, int kParts>
static void GradientOfRow(const Ring<T>& signal, const Ring<T>& slopes, int f, T* const* first,
                          T* const* second, const T* lines, int64_t size, int64_t stride) {
  using V = typename Simd<T>::Vector;
  constexpr int kLanes = Simd<T>::kLanes;
  const WaveletModulus<T>& p = signal.p;
  const bool linear = p.result != Result::kModulus;
  const int64_t moved = slopes.data - signal.data, part = signal.part;
  V re[N], im[N];
  for (int64_t place = 0; place < size; place += kLanes) {
    if (linear) {
      for (int n = 0; n < N; ++n) {
        re[n] = Simd<T>::Load(lines + (f + n) * stride + place);
        if (kParts > 0) im[n] = Simd<T>::Load(lines + (p.filters + f + n) * stride + place);
      }
    } else {
      Respond<T, N, kParts>(p, f, first, second, place, part, re, im);
    }
    for (int n = 0; n < N && !linear; ++n) {
      const V square = re[n] * re[n] + im[n] * im[n];
      const T* slope = lines + (f + n) * stride + place;
      alignas(KERAS_PHASE_BYTES) T squares[kLanes], factors[kLanes];
      Simd<T>::Store(squares, square);
      for (int k = 0; k < kLanes; ++k) {
        factors[k] = squares[k] < kTiny<T> ? T{0} : slope[k] / Root(squares[k]);
      }
      re[n] *= Simd<T>::Load(factors);
      im[n] *= Simd<T>::Load(factors);
    }
    if (size - place < kLanes) {  // behind the last output lie inputs of other places
      for (int n = 0; n < N; ++n) {
        for (int64_t k = size - place; k < kLanes; ++k) {
          re[n][k] = 0;
          if (kParts > 0) im[n][k] = 0;
        }
      }
    }
    const T* real = p.real + f;
    const T* imag = p.imag + f;
    for (int t = 0; t < p.terms; ++t, real += p.filters, imag += p.filters) {
      V even = V{}, odd = V{}, even_i = V{}, odd_i = V{};
      for (int n = 0; n < N; ++n) {
        even += real[n] * re[n];
        if (kParts > 0) odd += imag[n] * im[n];
        if (kParts == 2) {
          even_i += real[n] * im[n];
          odd_i += imag[n] * re[n];
        }
      }
      T* a = first[t] + moved + place;
      Simd<T>::Store(a, Simd<T>::Load(a) + even + odd);
      if (kParts == 2) Simd<T>::Store(a + part, Simd<T>::Load(a + part) + even_i - odd_i);
      if (t < p.pairs) {
        T* b = second[t] + moved + place;
        Simd<T>::Store(b, Simd<T>::Load(b) + even - odd);
        if (kParts == 2) Simd<T>::Store(b + part, Simd<T>::Load(b + part) + even_i + odd_i);
      }
    }
  }
}

template <typename T, int kParts>
static void Gradient(const WaveletModulus<T>& p, int64_t image, int64_t begin, int64_t end,
                     T* scratch) {
  const Ring<T> signal(p, begin, end, scratch);
  const int64_t ring_size = signal.row * p.window_height;
  const Ring<T> slopes(p, begin, end, scratch + ring_size);
  T* lines = scratch + 2 * ring_size;
  const int64_t size = p.out_width * signal.channels, stride = LineStride<T>(p, signal.channels);
  const int kinds = Kinds(p);
  for (int64_t i = 0; i < kinds * p.filters * stride; ++i) lines[i] = 0;
  for (int64_t i = 0; i < p.height * p.width * p.parts; ++i) {
    T* to = p.out + (image * p.height * p.width * p.parts + i) * p.channels + begin;
    for (int64_t c = 0; c < signal.channels; ++c) to[c] = 0;
  }
  T *first[kMaxTerms], *second[kMaxTerms];
  // Padded rows flushed .. loaded are in the rings.
  int64_t loaded = 0, flushed = 0;
  for (int64_t y = 0; y < p.out_height; ++y) {
    const int64_t top = y * p.row_stride;
    for (; flushed < loaded && flushed < top; ++flushed) slopes.Flush(image, flushed);
    for (loaded = loaded > top ? loaded : top; loaded < top + p.window_height; ++loaded) {
      if (p.result == Result::kModulus) signal.Load(image, loaded);
      slopes.Clear(loaded);
    }
    flushed = flushed > top ? flushed : top;
    signal.Find(y, first, second);
    for (int kind = 0; kind < kinds; ++kind) {
      const T* from = p.slope + ((kind * p.batch + image) * p.out_height + y) * p.out_width *
                                    p.channels * p.filters;
      for (int64_t x = 0; x < p.out_width; ++x) {
        const T* slope = from + (x * p.channels + begin) * p.filters;
        for (int f = 0; f < p.filters; ++f) {
          T* to = lines + (kind * p.filters + f) * stride + x * signal.channels;
          for (int64_t c = 0; c < signal.channels; ++c) to[c] = slope[c * p.filters + f];
        }
      }
    }
    ByFilters(p.filters, [&](auto n, int f) {
      GradientOfRow<T, n(), kParts>(signal, slopes, f, first, second, lines, size, stride);
    });
  }
  for (; flushed < loaded; ++flushed) slopes.Flush(image, flushed);
}

template <typename T>
static void WaveletForward(const WaveletModulus<T>& p, int64_t image, int64_t begin, int64_t end,
                           T* scratch) {
  const auto run = p.result == Result::kRealPart ? Forward<T, 0>
                   : p.parts == 1                ? Forward<T, 1>
                                                 : Forward<T, 2>;
  run(p, image, begin, end, scratch);
}

template <typename T>
static void WaveletGradient(const WaveletModulus<T>& p, int64_t image, int64_t begin, int64_t end,
                            T* scratch) {
  const auto run = p.result == Result::kRealPart ? Gradient<T, 0>
                   : p.parts == 1                ? Gradient<T, 1>
                                                 : Gradient<T, 2>;
  run(p, image, begin, end, scratch);
}

extern const WaveletKernels<float> kWaveletFloat;
extern const WaveletKernels<double> kWaveletDouble;
const WaveletKernels<float> kWaveletFloat = {WaveletScratch<float>, WaveletForward<float>,
                                             WaveletGradient<float>, Simd<float>::kLanes};
const WaveletKernels<double> kWaveletDouble = {WaveletScratch<double>, WaveletForward<double>,
                                               WaveletGradient<double>, Simd<double>::kLanes};

}  // namespace KERAS_PHASE_SET
}  // namespace keras_phase
