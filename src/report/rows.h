// SPDX-License-Identifier: Apache-2.0
// Rows of an analysis as text: the cells of tables/<analysis>.csv.
#pragma once

#include <string>
#include <vector>

#include "analysis/findings.h"
#include "base/formats/csv.h"

namespace loralens {

// analysis,protocol,model,variant,fold,seed,step,layer,module,component,metric,class,value,low,high,n,estimand,p,
// p_adjusted,null_low,null_high,null_draws. Tables of older versions end with n.
const std::vector<std::string>& table_columns();

// A row's cell in one of the columns model, variant, fold, step, layer, module, component, metric and class; "" is
// empty. Error for another column.
std::string key_cell(const Row& row, const std::string& column);

// The tidy table. Numbers have the fewest digits that restore them exactly. Cells are empty where the interval, p or
// null is NaN, and where n or null_draws is 0.
Table table_of(const std::string& analysis, const std::string& protocol, const std::vector<Row>& rows);

}  // namespace loralens
