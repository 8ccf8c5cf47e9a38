#include "data/synthetic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/check.h"
#include "core/parallel.h"
#include "core/random.h"
#include "data/class_names.h"

namespace resgrad::data {
namespace {

constexpr int kSize = 32, kSamples = 2;  // kSamples^2 points per pixel, against ragged edges
constexpr double kPi = std::numbers::pi;

using Colour = std::array<double, 3>;

// Whether the point (u, v) lies in the figure of a class, drawn around the origin to 1.1 at most.
bool inside_figure(int label, double u, double v) {
  const double box = std::max(std::abs(u), std::abs(v));
  if (box > 1.1) return false;
  const double r = std::sqrt(u * u + v * v);
  const auto band = [](double t) { return std::sin(2.5 * kPi * t) > 0; };
  switch (label) {
    case 0:
      return r < 0.9;
    case 1:
      return r > 0.55 && r < 1;
    case 2:
      return box < 0.8;
    case 3:
      return v < 0.6 && v > 2 * std::abs(u) - 1;
    case 4:
      return box < 1 && std::min(std::abs(u), std::abs(v)) < 0.3;
    case 5: {  // five rays: the radius falls from 1.1 at a tip to 0.45 between two
      const double turn = std::atan2(u, -v) / (2 * kPi) * 5;
      const double from_tip = std::abs(turn - std::round(turn)) * 2;
      return r < 1.1 - 0.65 * from_tip;
    }
    case 6:
      return box < 1 && band(v);
    case 7:
      return box < 1 && band(u);
    case 8:
      return box < 1 && band((u + v) / std::numbers::sqrt2);
    default:
      return box < 1 && band(0.8 * u) != band(0.8 * v);
  }
}

Colour random_colour(Random& random) {
  return {random.uniform(), random.uniform(), random.uniform()};
}

double distance(const Colour& a, const Colour& b) {
  double sum = 0;
  for (std::size_t c = 0; c < 3; ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
  return std::sqrt(sum);
}

// A turn by an angle, ready to be applied to many points.
struct Turn {
  double cos = 1, sin = 0;
  explicit Turn(double angle = 0) : cos(std::cos(angle)), sin(std::sin(angle)) {}
  double along(double x, double y) const { return x * cos + y * sin; }
  double across(double x, double y) const { return y * cos - x * sin; }
};

// Something that is drawn over the background and says nothing about the class.
struct Distractor {
  double x = 0, y = 0, length = 0, width = 0;
  Turn turn;
  Colour colour{};

  bool covers(double px, double py) const {
    return std::abs(turn.along(px - x, py - y)) < length &&
           std::abs(turn.across(px - x, py - y)) < width;
  }
};

struct Scene {
  Colour from{}, to{}, figure{};
  Turn gradient, turn;
  double x = 0, y = 0, radius = 1;
  bool mirrored = false;
  std::array<Distractor, 3> distractors;
};

Scene draw_scene(Random& random) {
  Scene s;
  s.from = random_colour(random);
  s.to = random_colour(random);
  for (std::size_t c = 0; c < 3; ++c) s.to[c] = s.from[c] + 0.5 * (s.to[c] - s.from[c]);
  do {
    s.figure = random_colour(random);
  } while (distance(s.figure, s.from) < 0.35 || distance(s.figure, s.to) < 0.35);
  s.gradient = Turn(random.uniform(0, 2 * kPi));
  s.radius = random.uniform(6.5, 11);
  s.x = random.uniform(s.radius + 1, kSize - s.radius - 1);
  s.y = random.uniform(s.radius + 1, kSize - s.radius - 1);
  s.turn = Turn(random.uniform(-0.25, 0.25));
  s.mirrored = random.below(2) == 1;
  for (Distractor& d : s.distractors) {
    d = {.x = random.uniform(0, kSize),
         .y = random.uniform(0, kSize),
         .length = random.uniform(3, 14),
         .width = random.uniform(0.5, 1.5),
         .turn = Turn(random.uniform(0, kPi)),
         .colour = random_colour(random)};
  }
  return s;
}

Colour colour_at(const Scene& s, int label, double px, double py) {
  const double dx = px - s.x, dy = py - s.y;
  double u = s.turn.along(dx, dy) / s.radius;
  const double v = s.turn.across(dx, dy) / s.radius;
  if (s.mirrored) u = -u;
  if (inside_figure(label, u, v)) return s.figure;
  for (const Distractor& d : s.distractors) {
    if (d.covers(px, py)) return d.colour;
  }
  const double share =
      0.5 + s.gradient.along(px - kSize / 2.0, py - kSize / 2.0) / (std::numbers::sqrt2 * kSize);
  Colour colour;
  for (std::size_t c = 0; c < 3; ++c) colour[c] = s.from[c] + share * (s.to[c] - s.from[c]);
  return colour;
}

// Between -1 and 1 with a triangular density: much cheaper than normal noise, and as good here.
double noise(Random& random) {
  const std::uint32_t bits = random.next_u32();
  return (static_cast<double>(bits >> 16) - static_cast<double>(bits & 0xffff)) / 65536;
}

void draw(std::uint8_t* image, int label, Random& random) {
  constexpr double kNoise = 0.15;
  const Scene scene = draw_scene(random);
  for (int y = 0; y < kSize; ++y) {
    for (int x = 0; x < kSize; ++x) {
      Colour sum{};
      for (int i = 0; i < kSamples * kSamples; ++i) {
        const int row = i / kSamples, column = i % kSamples;
        const Colour colour =
            colour_at(scene, label, x + (column + 0.5) / kSamples, y + (row + 0.5) / kSamples);
        for (std::size_t c = 0; c < 3; ++c) sum[c] += colour[c] / (kSamples * kSamples);
      }
      for (std::size_t c = 0; c < 3; ++c) {
        const double value = std::clamp(sum[c] + kNoise * noise(random), 0.0, 1.0);
        image[static_cast<int>(c) * kSize * kSize + y * kSize + x] =
            static_cast<std::uint8_t>(255 * value + 0.5);
      }
    }
  }
}

}  // namespace

Dataset make_synthetic(Split split, std::int64_t count, std::uint64_t seed) {
  require<ValueError>(count >= 0, "synthetic: count: expected at least 0, got {}", count);
  Dataset dataset{
      .name = "synthetic", .images = {}, .labels = {}, .class_names = class_names("synthetic", 10)};
  dataset.images.resize(static_cast<std::size_t>(count * dataset.image_bytes()));
  dataset.labels.resize(static_cast<std::size_t>(count));
#pragma omp parallel for schedule(static) num_threads(num_threads())
  for (std::int64_t i = 0; i < count; ++i) {
    const int label = static_cast<int>(i % 10);
    Random random(seed, Purpose::synthetic, split == Split::train ? 0 : 1,
                  static_cast<std::uint64_t>(i));
    draw(dataset.images.data() + i * dataset.image_bytes(), label, random);
    dataset.labels[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(label);
  }
  return dataset;
}

}  // namespace resgrad::data
