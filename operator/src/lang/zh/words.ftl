verdict-compliant = 达标
verdict-at-risk = 有风险
verdict-violated = 超标
verdict-provisional = 暂定
verdict-unknown = 无法判定

enforcement-clear = 无处置
enforcement-would-act = 应处置（仅观察）
enforcement-enforcing = 处置中
enforcement-refused = 已拒绝处置
enforcement-paused = 处置暂停

action-hold-batch = 暂缓批处理
action-prefer-elsewhere = 优先调度到他处
action-freeze-growth = 冻结新增

purpose-facility = 总用电
purpose-it = IT 设备
purpose-generator = 自备发电
purpose-excluded = 非机房用电
purpose-renewable = 可再生能源
purpose-reuse = 余热回收
purpose-water = 用水
purpose-carbon = 碳排放

truth-true = 是
truth-false = 否
truth-unknown = 未知
