from sekoia_automation.account_validator import AccountValidator


class CyberArkAccountValidator(AccountValidator):
    def validate(self) -> bool:
        return True
