"""Microsoft Entra ID: sign-in logs from Azure Monitor (event hub, storage), Microsoft Graph and Log Analytics."""

from __future__ import annotations

from typing import Final

from streams.documents.document import OTHER, Document, Fields, Rule, Sample, Values, any_of, codes

__all__ = ["DOCUMENT", "FAILURES", "STEPS"]

#: AADSTS codes by number and by name. The reference lists those of a wrong name or password; whatever is not listed here
#: happens after the right password or has nothing to do with it, as 50074 and 500121 (second factor not passed), 50076 and
#: 50079 (second factor asked for) or 53003 (Conditional Access).
FAILURES: Final = codes(
    {
        "credentials": "50126 InvalidUserNameOrPassword 50056 50064 CredentialAuthenticationError",
        "account": "50034 UserAccountNotFound 51004 UserAccountNotInDirectory",
        "disabled": "50053 IdsLocked 50057 UserDisabled",
        "expired": (
            "50055 InvalidPasswordExpiredPassword 50144 InvalidPasswordExpiredOnPremPassword 50135 "
            "PasswordChangeCompromisedPassword 50142 PasswordChangeRequiredConditionalAccess"
        ),
        "token": (
            "50013 InvalidAssertion 500133 50027 InvalidJwtToken 50085 50089 FlowTokenExpired 50132 SsoArtifactInvalidOrExpired "
            "50133 SsoArtifactRevoked 50139 SessionMissingMsaOAuth2RefreshToken 50173 FreshTokenNeeded 54005 70000 InvalidGrant "
            "70008 ExpiredOrRevokedGrant 700082 ExpiredOrRevokedGrantInactiveToken 700084 70043 BadTokenDueToSignInFrequency 81009 "
            "81010 DesktopSsoAuthTokenInvalid"
        ),
        "internal": (
            "20001 20012 40008 40010 50000 TokenIssuanceError 50033 RetryableError 50086 50087 SasRetryableError 50088 50166 70012 "
            "80001 OnPremiseStoreIsNotAvailable 80002 OnPremisePasswordValidatorRequestTimedout 80005 80007 "
            "OnPremisePasswordValidatorErrorOccurredOnPrem 80010 80013 OnPremisePasswordValidationTimeSkew 80014 90006 "
            "ExternalServerRetryableError 90012 RequestTimeout 90024 90033 MsodsServiceUnavailable 90036"
        ),
    }
) | {OTHER: "policy", "failure": None}
#: Steps of a sign-in that goes on, and sign-outs.
STEPS: Final = any_of(
    "16000 InteractionRequired 16001 UserAccountSelectionInvalid 16002 AppSessionSelectionInvalid 160021 50011 InvalidReplyTo "
    "50058 UserInformationNotProvided 50059 MissingTenantRealmAndNoUserInformationProvided 50061 50068 50070 50071 50097 "
    "DeviceAuthenticationRequired 50125 PasswordResetRegistrationRequiredInterrupt 50127 BrokerAppNotInstalled 50129 "
    "DeviceIsNotWorkplaceJoined 50140 KmsiInterrupt 50143 50168 ChromeBrowserSsoInterruptRequired 50180 "
    "WindowsIntegratedAuthMissing 50199 CmsiInterrupt 51006 ForceReauthDueToInsufficientAuth 65001 DelegationDoesNotExist "
    "65004 UserDeclinedConsent 70016 AuthorizationPending 81006 DesktopSsoNoAuthorizationHeader 81007"
)
_OUTCOMES: Final = {"0": True, "success": True} | dict.fromkeys(STEPS) | {OTHER: False}
#: ``clientAppUsed``.
_PROTOCOLS: Final = {
    "imap4": "imap",
    "imap": "imap",
    "pop3": "pop3",
    "pop": "pop3",
    "authenticated smtp": "smtp",
    "smtp": "smtp",
    "exchange activesync": "mobileapi",
    "mobile apps and desktop clients": "mobileapi",
}
_VALUES: Final[dict[str, Values]] = {"success": _OUTCOMES, "fail_type": FAILURES, "protocol": _PROTOCOLS}
#: Where Graph has a field; Azure Monitor has the same under ``properties``.
_FIELDS: Final[Fields] = {
    "login": "userPrincipalName",
    "remote": "ipAddress",
    "protocol": "clientAppUsed",
    "mech": "authenticationProtocol",
    "credential_id": "appId",
    "device_id": "deviceDetail.deviceId",
    "user_agent": "userAgent",
    "session_id": "correlationId",
    "country": "location.countryOrRegion",
    "asn": "autonomousSystemNumber",
    "event_id": "id",
}

DOCUMENT: Final = Document(
    name="entra",
    provenance=(
        "Microsoft Graph signIn resource; Azure Monitor categories and Log Analytics tables SignInLogs, "
        "(AAD)NonInteractiveUserSignInLogs and ADFSSignInLogs; 'Microsoft Entra authentication and authorization error codes' "
        "(AADSTS)"
    ),
    gaps=(
        "A sign-in that is asked for a second factor is one failure (policy) and, when it goes on, another record. 50053 is a "
        "locked account or an address that Microsoft blocks; both are read as disabled. Sign-ins of applications and managed "
        "identities are not read. Event-hub messages over 64 kB are refused: write one record a line."
    ),
    rules=(
        Rule(
            {"category": any_of("signinlogs noninteractiveusersigninlogs adfssigninlogs"), "properties": None},
            {name: f"properties.{path}" for name, path in _FIELDS.items()}
            | {
                "ts": ("properties.createdDateTime", "time"),
                "remote": ("properties.ipAddress", "callerIpAddress"),
                "success": ("properties.status.errorCode", "resultType"),
                "fail_type": ("properties.status.errorCode", "resultType"),
                "code": ("properties.status.errorCode", "resultType"),
            },
            _VALUES,
            {"protocol": "http"},
        ),
        Rule(
            {"createdDateTime": None, "userPrincipalName": None, "status.errorCode": None},
            _FIELDS
            | {"ts": "createdDateTime", "success": "status.errorCode", "fail_type": "status.errorCode", "code": "status.errorCode"},
            _VALUES,
            {"protocol": "http"},
        ),
        Rule(
            {"Type": any_of("signinlogs aadnoninteractiveusersigninlogs adfssigninlogs"), "ResultType": None},
            {
                "ts": ("CreatedDateTime", "TimeGenerated"),
                "login": "UserPrincipalName",
                "remote": "IPAddress",
                "success": "ResultType",
                "fail_type": "ResultType",
                "protocol": "ClientAppUsed",
                "mech": "AuthenticationProtocol",
                "credential_id": "AppId",
                "device_id": "DeviceDetail.deviceId",
                "user_agent": "UserAgent",
                "session_id": "CorrelationId",
                "country": "Location",
                "asn": "AutonomousSystemNumber",
                "event_id": "Id",
                "code": "ResultType",
            },
            _VALUES,
            {"protocol": "http"},
        ),
    ),
    samples=(
        Sample(
            {
                "time": "2022-04-12T06:00:05.0000000Z",
                "category": "SignInLogs",
                "operationName": "Sign-in activity",
                "resultType": "0",
                "callerIpAddress": "192.0.2.10",
                "properties": {
                    "id": "11-aa",
                    "createdDateTime": "2022-04-12T06:00:00.1234567Z",
                    "userPrincipalName": "anna@example.org",
                    "ipAddress": "192.0.2.10",
                    "clientAppUsed": "Authenticated SMTP",
                    "appId": "app-1",
                    "status": {"errorCode": 0},
                    "deviceDetail": {"deviceId": "d-1"},
                    "location": {"countryOrRegion": "FR"},
                    "autonomousSystemNumber": 64500,
                },
            },
            {
                "login": "anna@example.org",
                "remote": "192.0.2.10",
                "success": True,
                "protocol": "smtp",
                "credential_id": "app-1",
                "device_id": "d-1",
                "country": "FR",
                "asn": 64500,
                "event_id": "11-aa",
            },
        ),
        Sample(
            {
                "id": "22-bb",
                "createdDateTime": "2022-04-12T06:00:01Z",
                "userPrincipalName": "bob@example.org",
                "ipAddress": "2001:db8::7",
                "clientAppUsed": "Browser",
                "correlationId": "c-1",
                "status": {"errorCode": 50126, "failureReason": "Error validating credentials"},
            },
            {
                "ts": 1_649_743_201.0,
                "login": "bob@example.org",
                "remote": "2001:db8::7",
                "success": False,
                "fail_type": "credentials",
                "protocol": "http",
                "session_id": "c-1",
                "attrs": {"code": 50126},
            },
        ),
        Sample(
            {
                "Type": "SigninLogs",
                "TimeGenerated": "2022-04-12T06:00:02Z",
                "UserPrincipalName": "bob@example.org",
                "IPAddress": "192.0.2.11",
                "ResultType": "50074",
                "Location": "FR",
            },
            {"login": "bob@example.org", "success": False, "fail_type": "policy", "country": "FR", "attrs": {"code": "50074"}},
        ),
        Sample(
            {
                "createdDateTime": "2022-04-12T06:00:03Z",
                "userPrincipalName": "bob@example.org",
                "ipAddress": "192.0.2.11",
                "status": {"errorCode": 700082},
            },
            {"success": False, "fail_type": "token"},
        ),
        Sample(
            {
                "createdDateTime": "2022-04-12T06:00:04Z",
                "userPrincipalName": "bob@example.org",
                "ipAddress": "192.0.2.11",
                "status": {"errorCode": 50140, "failureReason": "Keep me signed in interrupt"},
            },
            None,
        ),
    ),
)
