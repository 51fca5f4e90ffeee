audit-run-unread = 无法读取，与其相关的结论为“无法判定”：{ $kind }
audit-run-new = 有 { $findings } 项结果不在先前的审计中
audit-run-nothing-matched = 没有匹配项：{ $objects } 个对象都不属于这些控制项所检查的类型
