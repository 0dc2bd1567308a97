// SPDX-License-Identifier: Apache-2.0
// What adapters that other programs saved with PEFT may hold beside the adapters of linear layers: no head, a head of
// another form, an adapter on the head, biases and other weights of the encoder.
#pragma once

#include <string>

#include "classifier/model.h"
#include "classifier/tensor_source.h"

namespace loralens {

// Why there is no emotion head that can be read, for messages; "" if there is one. of_base: the tensors of a base model
// that is a classifier, whose head serves where the file lacks it; nullptr for other base models.
std::string head_fault(const TensorSource& source, const TensorSource* of_base);

// Throws the error for a model that needs a head. why: head_fault().
[[noreturn]] void refuse_headless(const Path& folder, const Path& file, const std::string& why);

// Counts the tensors of heads as used. all: those of heads of any form, which are all tensors outside the encoder.
void ignore_heads(TensorSource& source, bool all);

// Merges the file's adapters of projector and classifier into the model's head: W + s·B A.
void merge_head_adapters(EmotionModel& model, TensorSource& source);

// Reads the weights of the encoder in the file. Trained biases (AdapterOptions::biases) replace those of the base
// model; a log line says so if the file lacks them. Error for another weight that differs from the base model's.
void load_encoder_tensors(EmotionModel& model, TensorSource& source);

}  // namespace loralens
