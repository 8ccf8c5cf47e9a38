// Between images or weights and the planes that the products work on.
//
// With stride 2 a convolution of 3x3 taps is the sum of four with stride 1, of the phases of x: its
// odd and its even lines and columns, which meet two taps and one. All take part in F(4x4, 2x2),
// with a zero for the tap that is missing. In the planes the phases lie side by side like channels:
//   0  odd lines, even columns     1  odd lines, odd columns
//   2  even lines, odd columns     3  even lines, even columns
// Where the zero tap is all that a plane would take of a phase, the plane does not have the phase:
// at point 0 of even lines or columns where x is read, and at infinity where dx is written. What a
// plane has lies together, so 81 products remain of 100.
#pragma once

#include "core/kernels/conv2d/output_isa.h"
#include "core/kernels/conv2d/winograd/winograd_plan.h"
#include "core/kernels/norm_relu_isa.h"
#include "core/kernels/range_isa.h"

namespace resgrad::kernels::RESGRAD_ISA {

/// The rows of the weights, thus columns of the source, that plane p has.
Range depth_of(const WinogradPlan& plan, std::int64_t p);
/// Those of some columns of the weights that plane p has.
Range columns_of(const WinogradPlan& plan, std::int64_t p, Range columns);

/// planes[p][i] = the tile number i of a range.
void source_to_planes(float* planes, const Conv2dInput<float>& x, Range tiles,
                      const WinogradPlan& plan, const float* zeros);
/// The same for tiles of the output's gradient and a range of its channels, as the right operand of
/// products: a matrix [chunk, channels] in panels of kPanel columns, each panel row-major, of which
/// these tiles are the rows from `first` on.
void gradient_to_planes(float* planes, std::int64_t first, const float* dy, Range tiles,
                        Range channels, const WinogradPlan& plan, const float* zeros);
/// Output tiles, a range of the columns, from the planes of products.
void planes_to_output(const Output& out, const float* planes, Range tiles, Range columns,
                      const WinogradPlan& plan);

/// Planes of weights: a matrix [depth, what a plane has of the columns] in panels of kPanel
/// columns, each panel row-major. `rows` are channels of the source.
void weights_to_planes(float* planes, const float* w, Range rows, Range columns,
                       const WinogradPlan& plan);
/// dw of some rows and columns from the sum of `parts` sets of planes. Here the planes are plain
/// row-major matrices; `planes` is where the range's columns begin.
void planes_to_weights(float* dw, const float* planes, std::int64_t parts, Range rows,
                       Range columns, const WinogradPlan& plan);

}  // namespace resgrad::kernels::RESGRAD_ISA
