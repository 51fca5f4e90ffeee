status-site = 数据中心
status-district = 区县
status-pue = PUE
status-target = 目标值
status-annual = 年度判定
status-now = 当前
status-operational = 运行判定
status-category = 类别
status-coverage = 计量覆盖率
status-enforcement = 处置
status-ready = 就绪

status-interim = { $pue }（阶段性）
status-paused = 已暂停：{ $actions }
status-remark = { $site }：{ $message }
status-none = 没有 DataCenter
